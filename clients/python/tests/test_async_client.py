"""AsyncClient against a real server: that its calls are those of Client, and that they overlap."""

from __future__ import annotations

import asyncio
import inspect

import pytest

from deferd import AsyncClient, Client, NewTask, NotFound


def test_both_clients_have_the_same_calls() -> None:
    def calls(kind: type) -> dict[str, list[str]]:
        return {name: list(inspect.signature(call).parameters) for name, call in vars(kind).items()
                if inspect.isfunction(call) and not name.startswith("_")}

    assert calls(AsyncClient) == calls(Client)


def test_a_task_goes_through_a_pull_queue(url: str) -> None:
    async def work() -> None:
        async with AsyncClient(url) as client:
            await client.put_queue("async", mode="pull")
            waiting = asyncio.create_task(client.lease_tasks("async", wait="20s"))
            await client.add_task("async", json={"n": 1})
            (task,) = await waiting
            assert task.json() == {"n": 1}
            assert (await client.ack_tasks("async", [task]))[0].error is None
            await client.add_tasks("async", [NewTask() for _ in range(120)])
            assert len([task async for task in client.tasks("async")]) == 120
            assert "async" in [queue.name async for queue in client.queues()]
            await client.delete_queue("async")
            with pytest.raises(NotFound):
                await client.get_queue("async")

    asyncio.run(work())
