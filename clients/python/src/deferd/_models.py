"""What calls take and give. Every answer keeps the server's JSON as `raw`, for what has no attribute here."""

from __future__ import annotations

import json as json_module
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from . import _values
from ._values import Duration, read_instant
from .errors import ApiError, api_error

T = TypeVar("T")
Json = Mapping[str, Any]


def _at(raw: Json, name: str) -> datetime | None:
    return read_instant(raw[name]) if name in raw else None


@dataclass(frozen=True)
class Queue:
    """A queue with every setting in force."""

    name: str
    project: str
    location: str
    mode: Literal["push", "pull"]
    state: Literal["running", "paused", "disabled"]
    created: datetime
    raw: Json = field(repr=False, compare=False)

    @classmethod
    def read(cls, raw: Json) -> Queue:
        return cls(raw["name"], raw["project"], raw["location"], raw["mode"], raw["state"], read_instant(raw["created"]), raw)


@dataclass(frozen=True)
class Task:
    """A task. `body` is None where a list was asked for without bodies; a leased one has its lease."""

    id: str
    name: str | None
    queue: str
    state: Literal["scheduled", "ready", "in_flight", "leased"]
    priority: int
    eta: datetime
    created: datetime
    attempts: int
    body: bytes | None
    key: str | None
    lease_token: str | None
    lease_expires: datetime | None
    raw: Json = field(repr=False, compare=False)

    @classmethod
    def read(cls, raw: Json) -> Task:
        return cls(
            id=raw["id"], name=raw.get("name"), queue=raw["queue"], state=raw["state"], priority=raw["priority"],
            eta=read_instant(raw["eta"]), created=read_instant(raw["created"]), attempts=raw["attempts"],
            body=_values.read_body(raw), key=raw.get("key"), lease_token=raw.get("lease_token"),
            lease_expires=_at(raw, "lease_expires"), raw=raw)

    @property
    def text(self) -> str:
        """The body as text."""
        return (self.body or b"").decode()

    def json(self) -> Any:
        """The body as JSON."""
        return json_module.loads(self.body or b"null")


@dataclass(frozen=True)
class NewTask:
    """A task to be added. A push queue's has a url, a pull queue's none.

    At most one of body and json; at most one of delay and eta. What is None is as the queue says.
    """

    url: str | None = None
    method: str | None = None
    headers: Mapping[str, str] | None = None
    body: str | bytes | None = None
    json: Any = None
    name: str | None = None
    delay: Duration | None = None
    eta: datetime | None = None
    priority: int | None = None
    key: str | None = None
    timeout: Duration | None = None
    retry: Json | None = None

    def write(self) -> dict[str, Any]:
        raw: dict[str, Any] = {}
        for name in ("url", "method", "headers", "json", "name", "delay", "priority", "key", "timeout", "retry"):
            if (value := getattr(self, name)) is not None:
                raw[name] = _values.plain(value) if name != "json" else value
        if self.eta is not None:
            raw["eta"] = _values.instant(self.eta)
        if self.body is not None:
            raw |= _values.body_member(self.body)
        return raw


@dataclass(frozen=True)
class LeaseResult:
    """Of one lease in ack_tasks(), renew_leases() or release_tasks(): `error` is None when it went well."""

    task: Task | None
    error: ApiError | None

    @classmethod
    def read(cls, raw: Json) -> LeaseResult:
        if "error" in raw:
            return cls(None, api_error(raw["error"]))
        return cls(Task.read(raw["task"]) if "task" in raw else None, None)


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some of a list; `next_token` asks for the next ones, None at the end."""

    items: list[T]
    next_token: str | None


@dataclass(frozen=True)
class QueueStats:
    """Counts of a queue, exact. `raw` has rates, durations and totals."""

    tasks: int
    bytes: int
    scheduled: int
    ready: int
    in_flight: int
    leased: int
    oldest_ready: float | None
    raw: Json = field(repr=False, compare=False)

    @classmethod
    def read(cls, raw: Json) -> QueueStats:
        return cls(
            tasks=raw["tasks"], bytes=raw["bytes"], scheduled=raw["scheduled"], ready=raw["ready"],
            in_flight=raw["in_flight"], leased=raw["leased"], oldest_ready=raw["oldest_ready"], raw=raw)


@dataclass(frozen=True)
class Changes:
    """What an uploaded file changed, or with plan=True would: one entry a queue or job, as the API gives them."""

    applied: bool
    entries: list[Json]
    raw: Json = field(repr=False, compare=False)


@dataclass(frozen=True)
class CronJob:
    """A job of cron.yaml."""

    id: str
    url: str
    schedule: str
    timezone: str
    next_runs: list[datetime]
    raw: Json = field(repr=False, compare=False)

    @classmethod
    def read(cls, raw: Json) -> CronJob:
        return cls(raw["id"], raw["url"], raw["schedule"], raw["timezone"], [read_instant(t) for t in raw["next_runs"]], raw)
