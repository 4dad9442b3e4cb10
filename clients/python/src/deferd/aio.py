"""The client for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from types import TracebackType
from typing import Any, TypeVar

import httpx

from . import _calls
from ._answers import Patience, Verify
from ._calls import Call
from ._exchange import httpx_options, read_response, request_options, unreachable
from ._models import *  # noqa: F403  what calls take and give
from ._values import Duration
from .errors import AlreadyExists, ApiError, NotFound, Unreachable

T = TypeVar("T")


class AsyncClient:
    """Calls a deferd server from one event loop. As Client, with every call awaited."""

    def __init__(
        self, url: str | None = None, *, key: str | None = None, timeout: float = 30.0, verify: Verify = True,
        attempts: int = 4, name_tasks: bool = True,
    ):
        self._http = httpx.AsyncClient(**httpx_options(url, key, timeout, verify))
        self._timeout = timeout
        self._attempts = attempts
        self._names = name_tasks

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _run(self, call: Call[T]) -> T:
        patience = Patience(call, self._attempts)
        while True:
            failure: ApiError | Unreachable
            try:
                return read_response(call, await self._http.request(**request_options(call, self._timeout)))
            except httpx.RequestError as error:
                failure = unreachable(error)
            except ApiError as error:
                failure = error
            await asyncio.sleep(patience.pause(failure))

    async def put_queue(self, queue: str, **settings: Any) -> Queue:
        """Makes a queue, or changes the settings that are named: mode="pull", rate="5/s", retry={"max_attempts": 10}."""
        return await self._run(_calls.put_queue(queue, settings))

    async def get_queue(self, queue: str) -> Queue:
        return await self._run(_calls.get_queue(queue))

    async def list_queues(self, *, page_size: int = 100, page_token: str | None = None) -> Page[Queue]:
        return await self._run(_calls.list_queues(page_size, page_token))

    async def delete_queue(self, queue: str) -> None:
        """With all its tasks."""
        await self._run(_calls.delete_queue(queue))

    async def pause_queue(self, queue: str) -> Queue:
        """It takes tasks and starts none."""
        return await self._run(_calls.act_on_queue(queue, "pause"))

    async def resume_queue(self, queue: str) -> Queue:
        return await self._run(_calls.act_on_queue(queue, "resume"))

    async def purge_queue(self, queue: str) -> Queue:
        """Drops all its tasks."""
        return await self._run(_calls.act_on_queue(queue, "purge"))

    async def stats(self, queue: str) -> QueueStats:
        return await self._run(_calls.get_stats(queue))

    async def apply_queues(self, text: str | bytes, *, plan: bool = False) -> Changes:
        """Gives the project the queues of a queue.yaml; plan=True only says what would change."""
        return await self._run(_calls.apply_queues(text, plan))

    async def add_task(self, queue: str, task: NewTask | None = None, /, **members: Any) -> Task:
        """Adds a NewTask, or one of its members: add_task("mail", url=..., json=..., delay="5m").

        Raises AlreadyExists when the name that was given is taken; after a lost answer that may be this very task.
        """
        given = task or NewTask(**members)
        sent = _calls.named(given) if self._names else given
        try:
            return await self._run(_calls.add_task(queue, sent))
        except AlreadyExists:
            if sent is given:
                raise
            return await self._added(queue, sent)

    async def add_tasks(self, queue: str, tasks: Iterable[NewTask]) -> list[Task | ApiError]:
        """Up to 1,000 in one commit: for each the task as stored, or why it was refused."""
        given = list(tasks)
        sent = [_calls.named(task) for task in given] if self._names else given
        answers = await self._run(_calls.add_tasks(queue, sent))
        return [await self._added(queue, new) if isinstance(answer, AlreadyExists) and new is not old else answer
                for answer, new, old in zip(answers, sent, given)]

    async def _added(self, queue: str, task: NewTask) -> Task:
        """What an earlier attempt of this call added, whose answer was lost."""
        try:
            return await self.get_task(queue, task.name or "")
        except NotFound:
            return _calls.ended_task(queue, task)

    async def get_task(self, queue: str, task: Task | str) -> Task:
        """By its id or name; with its body."""
        return await self._run(_calls.get_task(queue, task))

    async def list_tasks(
        self, queue: str, *, state: str | None = None, full: bool = False, page_size: int = 100,
        page_token: str | None = None,
    ) -> Page[Task]:
        """full: with bodies."""
        return await self._run(_calls.list_tasks(queue, state, full, page_size, page_token))

    async def delete_task(self, queue: str, task: Task | str) -> None:
        await self._run(_calls.delete_task(queue, task))

    async def run_task(self, queue: str, task: Task | str) -> Task:
        """Starts a push at once, whatever rate and pause say."""
        return await self._run(_calls.run_task(queue, task))

    async def cancel_task(self, queue: str, task: Task | str) -> Task:
        """Ends it at once, also where it runs; NotFound when it has ended."""
        return await self._run(_calls.cancel_task(queue, task))

    async def get_result(self, queue: str, task: Task | str, *, wait: Duration = 0, history: bool = False) -> Outcome:
        """How a task that keeps its result ended; waits up to `wait` (a minute at most) for its end, then it is `pending`."""
        return await self._run(_calls.get_result(queue, task, wait, history))

    async def get_results(self, queue: str, tasks: Iterable[Task | str], *, wait: Duration = 0) -> Outcomes:
        """Of up to 1,000 tasks; waits for the first of them to end."""
        return await self._run(_calls.get_results(queue, tasks, wait))

    async def lease_tasks(
        self, queue: str, *, max: int = 1, lease: Duration = "1m", key: str | None = None,
        oldest_key: bool = False, wait: Duration = 0, worker: str | None = None,
    ) -> list[Task]:
        """Up to `max` due tasks, which are yours for `lease`; waits up to `wait` (a minute at most) for a first one.

        worker: who leases, "host/pid". Such a worker promises to renew and to end its leases: one that expires counts as its death.
        """
        return await self._run(_calls.lease_tasks(queue, max, lease, key, oldest_key, wait, worker))

    async def ack_tasks(
        self, queue: str, tasks: Sequence[Task], reports: Sequence[Report] | None = None, *, worker: str | None = None
    ) -> list[LeaseResult]:
        """Leased tasks are done; reports: one for each."""
        return await self._run(_calls.on_leases(queue, "ack", tasks, reports, worker=worker))

    async def renew_leases(self, queue: str, tasks: Sequence[Task], lease: Duration) -> list[LeaseResult]:
        """They are yours for `lease` from now."""
        return await self._run(_calls.on_leases(queue, "renew", tasks, lease=lease))

    async def release_tasks(
        self, queue: str, tasks: Sequence[Task], delay: Duration | None = None, reports: Sequence[Report] | None = None, *,
        worker: str | None = None,
    ) -> list[LeaseResult]:
        """Gives them back; due again after `delay`, or as the queue's backoff says."""
        return await self._run(_calls.on_leases(queue, "release", tasks, reports, delay=delay, worker=worker))

    async def fail_tasks(
        self, queue: str, tasks: Sequence[Task], reports: Sequence[Report] | None = None, *, worker: str | None = None
    ) -> list[LeaseResult]:
        """Leased tasks have failed for good: they are not tried again."""
        return await self._run(_calls.on_leases(queue, "fail", tasks, reports, worker=worker))

    async def watch_tasks(self, queue: str, tasks: Sequence[Task | str], *, wait: Duration = "30s") -> list[str]:
        """Waits until one of the tasks lives no more (cancelled, deleted, ended by another); the ids of all that do not."""
        return await self._run(_calls.watch_tasks(queue, tasks, wait))

    async def list_dead(
        self, queue: str, *, full: bool = False, page_size: int = 100, page_token: str | None = None, **filters: Any
    ) -> Page[DeadTask]:
        """Of the queue's dead set; filters: reason, status, failure, key, name, since, until."""
        return await self._run(_calls.list_dead(queue, filters, full, page_size, page_token))

    async def get_dead(self, queue: str, task: Task | str) -> DeadTask:
        """With its body and the history of its attempts."""
        return await self._run(_calls.get_dead(queue, task))

    async def retry_dead(self, queue: str, task: Task | str) -> Task:
        """The task lives again: due now, its attempts not counted."""
        return await self._run(_calls.retry_dead(queue, task))

    async def delete_dead(self, queue: str, task: Task | str) -> None:
        await self._run(_calls.delete_dead(queue, task))

    async def retry_all_dead(self, queue: str, *, plan: bool = False, **filters: Any) -> Affected:
        """All that the filters of list_dead() find; plan=True only counts them."""
        return await self._run(_calls.on_dead(queue, "retry", "retried", filters, plan))

    async def delete_all_dead(self, queue: str, *, plan: bool = False, **filters: Any) -> Affected:
        return await self._run(_calls.on_dead(queue, "delete", "deleted", filters, plan))

    async def list_cron(self) -> list[CronJob]:
        return await self._run(_calls.list_cron())

    async def apply_cron(self, text: str | bytes, *, plan: bool = False) -> Changes:
        """Makes the jobs those of a cron.yaml."""
        return await self._run(_calls.apply_cron(text, plan))

    async def metrics(self) -> str:
        """In Prometheus' text format."""
        return await self._run(_calls.metrics())

    async def config(self) -> Json:
        """The settings in force, without secrets."""
        return await self._run(_calls.config())

    async def check_ready(self) -> None:
        """Raises ServerError or Unreachable when the server would not take tasks."""
        await self._run(_calls.ready())

    async def queues(self) -> AsyncIterator[Queue]:
        """All queues, page by page."""
        token: str | None = ""
        while token is not None:
            page = await self.list_queues(page_token=token)
            for queue in page.items:
                yield queue
            token = page.next_token

    async def tasks(self, queue: str, *, state: str | None = None, full: bool = False) -> AsyncIterator[Task]:
        """All tasks of a queue, page by page."""
        token: str | None = ""
        while token is not None:
            page = await self.list_tasks(queue, state=state, full=full, page_token=token)
            for task in page.items:
                yield task
            token = page.next_token

    async def dead_tasks(self, queue: str, *, full: bool = False, **filters: Any) -> AsyncIterator[DeadTask]:
        """All that the filters of list_dead() find, page by page."""
        token: str | None = ""
        while token is not None:
            page = await self.list_dead(queue, full=full, page_token=token, **filters)
            for task in page.items:
                yield task
            token = page.next_token
