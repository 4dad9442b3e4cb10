"""Every call of /v1 once: what is sent, and how the answer is read. Both clients carry these out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from . import _values
from ._models import Changes, CronJob, Json, LeaseResult, NewTask, Page, Queue, QueueStats, Task
from ._values import Duration
from .errors import ApiError, api_error

T = TypeVar("T")


@dataclass(frozen=True)
class Call(Generic[T]):
    method: str
    path: str
    read: Callable[[Any], T]
    json: Any = None
    content: bytes | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    repeats: bool = False  # twice is as good as once
    waits: float = 0.0  # seconds that the server may take on purpose


def _nothing(_: Any) -> None:
    return None


def _queue_path(queue: str) -> str:
    """A queue's id, or its whole name: projects/P/locations/L/queues/Q."""
    return "/v1/" + quote(queue if "/" in queue else f"queues/{queue}", safe="/:")


def _task_path(queue: str, task: Task | str) -> str:
    return f"{_queue_path(queue)}/tasks/{quote(task.id if isinstance(task, Task) else task, safe='')}"


def _page(name: str, read: Callable[[Json], T]) -> Callable[[Json], Page[T]]:
    return lambda raw: Page([read(item) for item in raw[name]], raw.get("next_page_token"))


def _page_params(page_size: int, page_token: str | None, **more: str | None) -> dict[str, str]:
    params = {"page_size": str(page_size)} | {name: value for name, value in more.items() if value is not None}
    return params | ({"page_token": page_token} if page_token else {})


def _seconds(value: Duration) -> float:
    """For our own patience only: text is understood well enough."""
    value = _values.duration(value)
    if not isinstance(value, str):
        return float(value)
    units = {"ms": 1e-3, "us": 1e-6, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
    total, number, unit = 0.0, "", ""
    for char in value + "0":
        if char.isdigit() or char == ".":
            if unit:
                total, number, unit = total + float(number) * units.get(unit, 1.0), "", ""
            number += char
        else:
            unit += char
    return total


# ---- Queues


def put_queue(queue: str, settings: Mapping[str, Any]) -> Call[Queue]:
    return Call("PUT", _queue_path(queue), Queue.read, json=_values.plain(settings), repeats=True)


def get_queue(queue: str) -> Call[Queue]:
    return Call("GET", _queue_path(queue), Queue.read, repeats=True)


def list_queues(page_size: int, page_token: str | None) -> Call[Page[Queue]]:
    return Call("GET", "/v1/queues", _page("queues", Queue.read), params=_page_params(page_size, page_token), repeats=True)


def delete_queue(queue: str) -> Call[None]:
    return Call("DELETE", _queue_path(queue), _nothing)


def act_on_queue(queue: str, verb: str) -> Call[Queue]:
    return Call("POST", f"{_queue_path(queue)}:{verb}", Queue.read, repeats=verb != "purge")


def get_stats(queue: str) -> Call[QueueStats]:
    return Call("GET", f"{_queue_path(queue)}/stats", QueueStats.read, repeats=True)


def _upload(path: str, entries: str, text: str | bytes, plan: bool) -> Call[Changes]:
    content = text.encode() if isinstance(text, str) else text
    return Call("POST", path, lambda raw: Changes(raw["applied"], raw[entries], raw), content=content,
                params={"plan": "true"} if plan else {}, repeats=True)


def apply_queues(text: str | bytes, plan: bool) -> Call[Changes]:
    return _upload("/v1/queues:apply", "queues", text, plan)


def apply_cron(text: str | bytes, plan: bool) -> Call[Changes]:
    return _upload("/v1/cron", "jobs", text, plan)


def list_cron() -> Call[list[CronJob]]:
    return Call("GET", "/v1/cron", lambda raw: [CronJob.read(job) for job in raw["jobs"]], repeats=True)


# ---- Tasks


def add_task(queue: str, task: NewTask) -> Call[Task]:
    return Call("POST", f"{_queue_path(queue)}/tasks", Task.read, json=task.write())


def add_tasks(queue: str, tasks: Iterable[NewTask]) -> Call[list[Task | ApiError]]:
    def read(raw: Json) -> list[Task | ApiError]:
        return [api_error(one["error"]) if "error" in one else Task.read(one["task"]) for one in raw["results"]]

    return Call("POST", f"{_queue_path(queue)}/tasks:batch", read, json={"tasks": [task.write() for task in tasks]})


def get_task(queue: str, task: Task | str) -> Call[Task]:
    return Call("GET", _task_path(queue, task), Task.read, repeats=True)


def list_tasks(queue: str, state: str | None, full: bool, page_size: int, page_token: str | None) -> Call[Page[Task]]:
    params = _page_params(page_size, page_token, state=state, view="full" if full else None)
    return Call("GET", f"{_queue_path(queue)}/tasks", _page("tasks", Task.read), params=params, repeats=True)


def delete_task(queue: str, task: Task | str) -> Call[None]:
    return Call("DELETE", _task_path(queue, task), _nothing)


def run_task(queue: str, task: Task | str) -> Call[Task]:
    return Call("POST", f"{_task_path(queue, task)}:run", Task.read)


# ---- Pull


def lease_tasks(queue: str, max: int, lease: Duration, key: str | None, oldest_key: bool, wait: Duration) -> Call[list[Task]]:
    body: dict[str, Any] = {"max": max, "lease": _values.duration(lease), "wait": _values.duration(wait)}
    if key is not None:
        body["key"] = key
    if oldest_key:
        body["oldest_key"] = True
    # What was granted and never arrived is given back when its lease ends: asking again is right.
    return Call("POST", f"{_queue_path(queue)}/tasks:lease", lambda raw: [Task.read(task) for task in raw["tasks"]],
                json=body, repeats=True, waits=_seconds(wait))


def on_leases(queue: str, verb: str, tasks: Sequence[Task], **more: Duration | None) -> Call[list[LeaseResult]]:
    leases = [{"id": task.id, "lease_token": task.lease_token} for task in tasks]
    body = {"tasks": leases} | {name: _values.duration(value) for name, value in more.items() if value is not None}
    return Call("POST", f"{_queue_path(queue)}/tasks:{verb}", lambda raw: [LeaseResult.read(one) for one in raw["results"]],
                json=body, repeats=verb == "renew")


# ---- The server


def ready() -> Call[None]:
    return Call("GET", "/readyz", _nothing)


def metrics() -> Call[str]:
    return Call("GET", "/metrics", str, repeats=True)


def config() -> Call[Json]:
    return Call("GET", "/v1/config", dict, repeats=True)
