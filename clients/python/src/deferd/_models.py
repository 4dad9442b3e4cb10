"""What calls take and give. Every answer keeps the server's JSON as `raw`, for what has no attribute here."""

from __future__ import annotations

import json as json_module
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from . import _durations, _values
from ._values import Duration, read_instant
from .errors import ApiError, api_error

__all__ = [
    "Affected", "Attempt", "Changes", "CronJob", "DeadTask", "Json", "LeaseResult", "NewTask", "Outcome", "Outcomes",
    "Page", "Queue", "QueueStats", "Report", "Task", "Usage",
]

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
class Usage:
    """What an attempt used: seconds of CPU and of wall time, bytes at its peak; and why its process ended."""

    cpu: float | None = None
    wall: float | None = None
    memory_peak: int | None = None
    cause: str | None = None
    code: int | None = None
    signal: int | None = None

    @classmethod
    def read(cls, raw: Json) -> Usage:
        def seconds(name: str) -> float | None:
            return _durations.seconds(raw[name]) if name in raw else None

        return cls(seconds("cpu"), seconds("wall"), raw.get("memory_peak"), raw.get("cause"), raw.get("code"), raw.get("signal"))

    def write(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class Attempt:
    """One attempt of a task: what was answered (`status`) or went wrong (`failure`), and what its worker told of it."""

    attempt: int
    started: datetime | None
    duration: float | None
    status: int | None
    failure: str | None
    error: str | None
    worker: str | None
    usage: Usage | None
    log: str | None
    raw: Json = field(repr=False, compare=False)

    @classmethod
    def read(cls, raw: Json) -> Attempt:
        return cls(
            attempt=raw["attempt"], started=_at(raw, "started"), duration=raw.get("duration"), status=raw.get("status"),
            failure=raw.get("failure"), error=raw.get("error"), worker=raw.get("worker"), usage=_usage(raw),
            log=raw.get("log"), raw=raw)


def _usage(raw: Json) -> Usage | None:
    return Usage.read(raw["usage"]) if "usage" in raw else None


@dataclass(frozen=True)
class Task:
    """A task. `body` is None where a list was asked for without bodies; a leased one has its lease.

    state "ended" is only that of an add whose answer was lost, and that was found to have happened when it was repeated.
    worker: who holds the lease, when they said. history: the last attempts, oldest first; get_task() alone has it.
    """

    id: str
    name: str | None
    queue: str
    state: Literal["scheduled", "ready", "in_flight", "leased", "dead", "ended"]
    priority: int
    eta: datetime
    created: datetime
    attempts: int
    body: bytes | None
    key: str | None
    lease_token: str | None
    lease_expires: datetime | None
    worker: str | None
    history: list[Attempt]
    raw: Json = field(repr=False, compare=False)

    @classmethod
    def read(cls, raw: Json) -> Task:
        return cls(**_task_members(raw))

    @property
    def text(self) -> str:
        """The body as text."""
        return (self.body or b"").decode()

    def json(self) -> Any:
        """The body as JSON."""
        return json_module.loads(self.body or b"null")


def _task_members(raw: Json) -> dict[str, Any]:
    return {
        "id": raw["id"], "name": raw.get("name"), "queue": raw["queue"], "state": raw["state"], "priority": raw["priority"],
        "eta": read_instant(raw["eta"]), "created": read_instant(raw["created"]), "attempts": raw["attempts"],
        "body": _values.read_body(raw), "key": raw.get("key"), "lease_token": raw.get("lease_token"),
        "lease_expires": _at(raw, "lease_expires"), "worker": raw.get("worker"),
        "history": [Attempt.read(one) for one in raw.get("history", ())], "raw": raw}


@dataclass(frozen=True)
class DeadTask(Task):
    """A task that ended without success, kept in the dead set of its queue; `state` is that of its last moment.

    reason: "attempts" or "age" (used up), "failed" (its worker said: never again), "poison" (its workers died). error: text of its last
    attempt; of get_dead() alone.
    """

    reason: str
    died: datetime
    error: str | None

    @classmethod
    def read(cls, raw: Json) -> DeadTask:
        alive = {"state": "dead", "eta": raw["created"]} | dict(raw)
        return cls(**_task_members(alive) | {"raw": raw}, reason=raw["reason"], died=read_instant(raw["died"]),
                   error=raw.get("error"))


@dataclass(frozen=True)
class NewTask:
    """A task to be added. A push queue's has a url, a pull queue's none.

    At most one of body and json; at most one of delay and eta. What is None is as the queue says.
    keep_result: how long its outcome can be asked for after its end. callback_url: what the outcome is posted to then.
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
    keep_result: Duration | None = None
    result_headers: Sequence[str] | None = None
    callback_url: str | None = None
    callback_queue: str | None = None

    def write(self) -> dict[str, Any]:
        raw: dict[str, Any] = {}
        for name, value in vars(self).items():
            if value is not None and name not in ("body", "eta"):
                raw[name] = _values.plain(value) if name != "json" else value
        if self.eta is not None:
            raw["eta"] = _values.instant(self.eta)
        if self.body is not None:
            raw |= _values.body_member(self.body)
        return raw


@dataclass(frozen=True)
class Outcome:
    """How a task ended, or that it has not.

    state: "pending", "succeeded", "failed", "cancelled" or "expired". task_state: where a pending one is. body: what was answered, or
    what its worker gave; cut where `truncated`. reason: as of a DeadTask. error: text, of what failed or expired.
    """

    id: str
    name: str | None
    state: Literal["pending", "succeeded", "failed", "cancelled", "expired"]
    task_state: str | None
    attempts: int
    last_status: int | None
    last_failure: str | None
    ended: datetime | None
    kept_until: datetime | None
    body: bytes | None
    headers: Mapping[str, str]
    truncated: bool
    error: str | None
    reason: str | None
    usage: Usage | None
    worker: str | None
    history: list[Attempt]
    raw: Json = field(repr=False, compare=False)

    @classmethod
    def read(cls, raw: Json) -> Outcome:
        result = raw.get("result", {})
        return cls(
            id=raw["id"], name=raw.get("name"), state=raw["state"], task_state=raw.get("task_state"),
            attempts=raw.get("attempts", 0), last_status=raw.get("last_status"), last_failure=raw.get("last_failure"),
            ended=_at(raw, "ended"), kept_until=_at(raw, "kept_until"), body=_values.read_body(result),
            headers=result.get("headers", {}), truncated=result.get("truncated", False), error=raw.get("error"),
            reason=raw.get("reason"), usage=_usage(raw), worker=raw.get("worker"),
            history=[Attempt.read(one) for one in raw.get("history", ())], raw=raw)

    @property
    def pending(self) -> bool:
        return self.state == "pending"

    @property
    def text(self) -> str:
        """The body as text."""
        return (self.body or b"").decode()

    def json(self) -> Any:
        """The body as JSON."""
        return json_module.loads(self.body or b"null")


@dataclass(frozen=True)
class Outcomes:
    """Of many tasks: those that have ended, or cannot be told of, by the id or name that was given; and how many are pending."""

    ended: dict[str, Outcome | ApiError]
    pending: int


@dataclass(frozen=True)
class Report:
    """What a worker tells with ack_tasks(), release_tasks() or fail_tasks() of one task.

    result: what the task gives its caller, kept when the task asks for it (not with release_tasks()): text, bytes, or with
    content_type another kind; at most 1 MiB. error: text of what went wrong, at most 4 KiB. log: at most 64 KiB.
    """

    result: str | bytes | None = None
    content_type: str | None = None
    error: str | None = None
    log: str | None = None
    usage: Usage | None = None

    def write(self) -> dict[str, Any]:
        raw: dict[str, Any] = {}
        if self.result is not None:
            raw["result"] = _values.body_member(self.result)
            if self.content_type is not None:
                raw["result"]["content_type"] = self.content_type
        if self.usage is not None:
            raw["usage"] = self.usage.write()
        return raw | {name: text for name, text in (("error", self.error), ("log", self.log)) if text is not None}


@dataclass(frozen=True)
class Affected:
    """What a call by filter did, or with plan=True would do."""

    matched: int
    done: int


@dataclass(frozen=True)
class LeaseResult:
    """Of one lease in ack_tasks(), fail_tasks(), renew_leases() or release_tasks(): `error` is None when it went well."""

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
    dead: int
    results: int
    raw: Json = field(repr=False, compare=False)

    @classmethod
    def read(cls, raw: Json) -> QueueStats:
        return cls(
            tasks=raw["tasks"], bytes=raw["bytes"], scheduled=raw["scheduled"], ready=raw["ready"],
            in_flight=raw["in_flight"], leased=raw["leased"], oldest_ready=raw["oldest_ready"], dead=raw.get("dead", 0),
            results=raw.get("results", 0), raw=raw)


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
