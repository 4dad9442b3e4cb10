"""Every call of /v1 once: what is sent, and how the answer is read. Both clients carry these out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any, Generic, TypeVar
from urllib.parse import quote
from uuid import uuid4

from . import _durations, _values
from ._models import *  # noqa: F403  what calls take and give
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
    return add_written(queue, [task.write() for task in tasks], Task.read)


def add_written(queue: str, tasks: Sequence[Json], read_task: Callable[[Json], T]) -> Call[list[T | ApiError]]:
    """tasks: as NewTask.write() gives them."""
    def read(raw: Json) -> list[T | ApiError]:
        return [api_error(one["error"]) if "error" in one else read_task(one["task"]) for one in raw["results"]]

    return Call("POST", f"{_queue_path(queue)}/tasks:batch", read, json={"tasks": tasks})


def named(task: NewTask) -> NewTask:
    """With a name of its own, so that adding it again after a lost answer adds it once. No other task has this name: what is refused
    with AlreadyExists has been added."""
    return replace(task, name=uuid4().hex) if task.name is None else task


def ended_task(queue: str, task: NewTask) -> Task:
    """Of an add that is known to have happened, of a task that is gone."""
    now = datetime.now(timezone.utc).isoformat()
    return Task.read({"id": task.name, "name": task.name, "queue": queue, "state": "ended", "priority": task.priority or 0,
                      "eta": now, "created": now, "attempts": 0})


def get_task(queue: str, task: Task | str) -> Call[Task]:
    return Call("GET", _task_path(queue, task), Task.read, repeats=True)


def list_tasks(queue: str, state: str | None, full: bool, page_size: int, page_token: str | None) -> Call[Page[Task]]:
    params = _page_params(page_size, page_token, state=state, view="full" if full else None)
    return Call("GET", f"{_queue_path(queue)}/tasks", _page("tasks", Task.read), params=params, repeats=True)


def delete_task(queue: str, task: Task | str) -> Call[None]:
    return Call("DELETE", _task_path(queue, task), _nothing)


def run_task(queue: str, task: Task | str) -> Call[Task]:
    return Call("POST", f"{_task_path(queue, task)}:run", Task.read)


def cancel_task(queue: str, task: Task | str) -> Call[Task]:
    return Call("POST", f"{_task_path(queue, task)}:cancel", Task.read)


# ---- Results


def get_result(queue: str, task: Task | str, wait: Duration, history: bool) -> Call[Outcome]:
    params = {"wait": _text(wait)} | ({"history": "true"} if history else {})
    return Call("GET", f"{_task_path(queue, task)}/result", Outcome.read, params=params, repeats=True, waits=_durations.seconds(wait))


def get_results(queue: str, tasks: Iterable[Task | str], wait: Duration) -> Call[Outcomes]:
    given = _ids(tasks)
    asked = set(given)
    return _results(queue, given, wait, lambda raw: Outcomes(_ended(raw, asked, Outcome.read), raw["pending"]))


def poll_results(queue: str, tasks: Collection[str], wait: float) -> Call[dict[str, Json | ApiError]]:
    """What has ended, as the server's JSON. tasks: a set or a dict's keys."""
    return _results(queue, list(tasks), wait, lambda raw: _ended(raw, tasks, lambda one: one))


def _results(queue: str, tasks: Sequence[str], wait: Duration, read: Callable[[Json], T]) -> Call[T]:
    return Call("POST", f"{_queue_path(queue)}/tasks:results", read, json={"ids": tasks, "wait": _durations.duration(wait)},
                repeats=True, waits=_durations.seconds(wait))


def _ended(raw: Json, asked: Collection[str], read_outcome: Callable[[Json], T]) -> dict[str, T | ApiError]:
    """By what each was asked by: its name or its id."""
    return {name if (name := one.get("name")) in asked else one["id"]:
            api_error(one["error"]) if isinstance(one.get("error"), Mapping) else read_outcome(one) for one in raw["results"]}


def watch_tasks(queue: str, tasks: Iterable[Task | str], wait: Duration) -> Call[list[str]]:
    return Call("POST", f"{_queue_path(queue)}/tasks:watch", lambda raw: list(raw["ended"]),
                json={"ids": _ids(tasks), "wait": _durations.duration(wait)}, repeats=True, waits=_durations.seconds(wait))


def _ids(tasks: Iterable[Task | str]) -> list[str]:
    return [task.id if isinstance(task, Task) else task for task in tasks]


def _text(wait: Duration) -> str:
    """A duration in a query."""
    value = _durations.duration(wait)
    return value if isinstance(value, str) else f"{value:.6f}s"


# ---- Pull


def lease_tasks(queue: str, max: int, lease: Duration, key: str | None, oldest_key: bool, wait: Duration,
                worker: str | None) -> Call[list[Task]]:
    body: dict[str, Any] = {"max": max, "lease": _durations.duration(lease), "wait": _durations.duration(wait)}
    if key is not None:
        body["key"] = key
    if oldest_key:
        body["oldest_key"] = True
    if worker is not None:
        body["worker"] = worker
    # What was granted and never arrived is given back when its lease ends: asking again is right.
    return Call("POST", f"{_queue_path(queue)}/tasks:lease", lambda raw: [Task.read(task) for task in raw["tasks"]],
                json=body, repeats=True, waits=_durations.seconds(wait))


def on_leases(queue: str, verb: str, tasks: Sequence[Task], reports: Sequence[Report] | None = None,
              **more: Duration | None) -> Call[list[LeaseResult]]:
    if reports is not None and len(reports) != len(tasks):
        raise ValueError(f"{len(reports)} reports for {len(tasks)} tasks; give one for each, in order")
    leases = [{"id": task.id, "lease_token": task.lease_token} | (reports[i].write() if reports is not None else {})
              for i, task in enumerate(tasks)]
    body = {"tasks": leases} | {name: _durations.duration(value) for name, value in more.items() if value is not None}
    return Call("POST", f"{_queue_path(queue)}/tasks:{verb}", lambda raw: [LeaseResult.read(one) for one in raw["results"]],
                json=body, repeats=verb == "renew")


# ---- Dead letters


def list_dead(queue: str, filters: Mapping[str, Any], full: bool, page_size: int, page_token: str | None) -> Call[Page[DeadTask]]:
    params = _page_params(page_size, page_token, view="full" if full else None,
                          **{name: str(value) for name, value in _dead_filters(filters).items()})
    return Call("GET", f"{_queue_path(queue)}/dead", _page("tasks", DeadTask.read), params=params, repeats=True)


def get_dead(queue: str, task: Task | str) -> Call[DeadTask]:
    return Call("GET", _dead_path(queue, task), DeadTask.read, repeats=True)


def retry_dead(queue: str, task: Task | str) -> Call[Task]:
    return Call("POST", f"{_dead_path(queue, task)}:retry", Task.read)


def delete_dead(queue: str, task: Task | str) -> Call[None]:
    return Call("DELETE", _dead_path(queue, task), _nothing)


def on_dead(queue: str, verb: str, done: str, filters: Mapping[str, Any], plan: bool) -> Call[Affected]:
    return Call("POST", f"{_queue_path(queue)}/dead:{verb}", lambda raw: Affected(raw["matched"], raw.get(done, 0)),
                json=_dead_filters(filters) | ({"plan": True} if plan else {}), repeats=plan)


def _dead_path(queue: str, task: Task | str) -> str:
    return f"{_queue_path(queue)}/dead/{quote(task.id if isinstance(task, Task) else task, safe='')}"


def _dead_filters(filters: Mapping[str, Any]) -> dict[str, Any]:
    known = ("reason", "status", "failure", "key", "name", "since", "until")
    for name in filters:
        if name not in known:
            raise TypeError(f"{name} is no filter of dead tasks; there are {', '.join(known)}")
    return {name: _values.instant(value) if isinstance(value, datetime) else value for name, value in filters.items()
            if value is not None}


# ---- The server


def ready() -> Call[None]:
    return Call("GET", "/readyz", _nothing)


def metrics() -> Call[str]:
    return Call("GET", "/metrics", str, repeats=True)


def config() -> Call[Json]:
    return Call("GET", "/v1/config", dict, repeats=True)
