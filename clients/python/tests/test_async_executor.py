"""AsyncExecutor, and Executor on an event loop, against a real server and a real worker."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import jobs
import pytest

from deferd import AsyncExecutor, Client, Executor, Unreachable, WaitingFull


def test_calls_are_awaited(url: str, worker: str) -> None:
    async def work() -> None:
        async with AsyncExecutor(url=url, queue=worker) as executor:
            assert await executor.submit(jobs.add, 1, b=2) == 3
            with pytest.raises(ValueError, match="no good") as raised:
                await executor.submit(jobs.fail, "value")
            assert "Traceback" in str(raised.value.__cause__)
            assert await asyncio.gather(*(executor.submit(jobs.add, n) for n in range(20))) == list(range(1, 21))
            assert [value async for value in executor.map(jobs.sleep, [0.2, 0], "ab")] == ["a", "b"]
            left = executor.submit(jobs.sleep, 0.2, "left")
        assert left.done() and left.result() == "left"
        with pytest.raises(RuntimeError, match="after shutdown"):
            executor.submit(jobs.add, 1)

    asyncio.run(work())


def test_a_cancelled_future_cancels_its_task(url: str, client: Client, queue: str) -> None:
    async def work() -> None:
        async with AsyncExecutor(url=url, queue=queue) as executor:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(executor.submit(jobs.add, 1), 0.3)
            future = executor.submit(jobs.add, 2)
            future.cancel()  # before it is even sent

    asyncio.run(work())
    assert client.stats(queue).tasks == 0


def test_shutdown_without_waiting_stores_what_was_submitted(url: str, client: Client, queue: str) -> None:
    async def work() -> None:
        executor = AsyncExecutor(url=url, queue=queue)
        future = executor.submit(jobs.add, 1)
        await executor.shutdown(wait=False)
        assert future.cancelled()

    asyncio.run(work())
    assert client.stats(queue).tasks == 1


def test_shutdown_cancels_what_no_worker_has(url: str, client: Client, queue: str) -> None:
    async def work() -> None:
        executor = AsyncExecutor(url=url, queue=queue)
        futures = [executor.submit(jobs.add, n) for n in range(3)]
        await asyncio.sleep(0.1)
        await executor.shutdown(cancel_futures=True)
        assert all(future.cancelled() for future in futures)

    asyncio.run(work())
    assert client.stats(queue).tasks == 0


def test_no_more_waits_to_be_added_than_may(closed_url: str) -> None:
    async def work() -> None:
        executor = AsyncExecutor(url=closed_url, waiting_max=2, add_timeout=0.3)
        futures = [executor.submit(jobs.add, n) for n in range(2)]
        with pytest.raises(WaitingFull):
            executor.submit(jobs.add, 3)
        for future in futures:
            with pytest.raises(Unreachable):
                await future
        with pytest.raises(Unreachable):
            _ = [value async for value in executor.map(jobs.add, range(5))]
        await executor.shutdown()

    asyncio.run(work())


def test_run_in_executor_does_not_hold_the_loop_up(url: str, worker: str, tmp_path: Path) -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        with Executor(url=url, queue=worker) as executor:
            assert await loop.run_in_executor(executor, jobs.add, 4) == 5
            began = time.monotonic()
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(loop.run_in_executor(executor, jobs.sleep, 30), 0.3)
            assert time.monotonic() - began < 5
        assert time.monotonic() - began < 15, "its task was cancelled at the server, too"

    asyncio.run(work())
