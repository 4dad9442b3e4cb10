"""The client for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from types import TracebackType
from typing import Any, TypeVar

import httpx

from . import _calls
from ._calls import Call
from ._exchange import Patience, Verify, httpx_options, read_answer, request_options, unreachable
from ._models import Changes, CronJob, Json, LeaseResult, NewTask, Page, Queue, QueueStats, Task
from ._values import Duration
from .errors import ApiError, Unreachable

T = TypeVar("T")


class AsyncClient:
    """Calls a deferd server from one event loop. As Client, with every call awaited."""

    def __init__(
        self, url: str | None = None, *, key: str | None = None, timeout: float = 30.0, verify: Verify = True,
        attempts: int = 4,
    ):
        self._http = httpx.AsyncClient(**httpx_options(url, key, timeout, verify))
        self._timeout = timeout
        self._attempts = attempts

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
                return read_answer(call, await self._http.request(**request_options(call, self._timeout)))
            except httpx.TransportError as error:
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

        Raises AlreadyExists when its name is taken; after a lost answer that may be this very task.
        """
        return await self._run(_calls.add_task(queue, task or NewTask(**members)))

    async def add_tasks(self, queue: str, tasks: Iterable[NewTask]) -> list[Task | ApiError]:
        """Up to 1,000 in one commit: for each the task as stored, or why it was refused."""
        return await self._run(_calls.add_tasks(queue, tasks))

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

    async def lease_tasks(
        self, queue: str, *, max: int = 1, lease: Duration = "1m", key: str | None = None,
        oldest_key: bool = False, wait: Duration = 0,
    ) -> list[Task]:
        """Up to `max` due tasks, which are yours for `lease`; waits up to `wait` (a minute at most) for a first one."""
        return await self._run(_calls.lease_tasks(queue, max, lease, key, oldest_key, wait))

    async def ack_tasks(self, queue: str, tasks: Sequence[Task]) -> list[LeaseResult]:
        """Leased tasks are done."""
        return await self._run(_calls.on_leases(queue, "ack", tasks))

    async def renew_leases(self, queue: str, tasks: Sequence[Task], lease: Duration) -> list[LeaseResult]:
        """They are yours for `lease` from now."""
        return await self._run(_calls.on_leases(queue, "renew", tasks, lease=lease))

    async def release_tasks(self, queue: str, tasks: Sequence[Task], delay: Duration | None = None) -> list[LeaseResult]:
        """Gives them back; due again after `delay`, or as the queue's backoff says."""
        return await self._run(_calls.on_leases(queue, "release", tasks, delay=delay))

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
