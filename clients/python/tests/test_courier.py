"""The courier alone, with a wire that answers as a test says."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from deferd._calls import Call
from deferd._courier import _GATHER_MAX, _GATHER_PER_TASK, Courier, Parcel
from deferd._wire import Wire

TASKS = 100


class FirstOfAll:
    """Adds whatever comes; of the tasks that are asked for, the first has ended."""

    def __init__(self) -> None:
        self.polls: list[tuple[float, int]] = []  # when, of how many

    async def run(self, call: Call[Any]) -> Any:
        if call.path.endswith("/tasks:batch"):
            return call.read({"results": [{"task": {"id": task["name"]}} for task in call.json["tasks"]]})
        ids = call.json["ids"]
        self.polls.append((asyncio.get_running_loop().time(), len(ids)))
        return call.read({"results": [{"id": ids[0], "state": "succeeded"}], "pending": len(ids) - 1})

    async def close(self) -> None:
        pass


def test_the_rest_of_many_is_asked_for_after_a_moment_in_which_more_may_end() -> None:
    wire = FirstOfAll()

    async def main() -> None:
        courier = Courier(cast(Wire, wire))
        parcels = [Parcel("q", str(n), {"name": str(n)}, 1, float("inf")) for n in range(TASKS)]
        for parcel in parcels:
            courier.send(parcel)
        while not all(parcel.over for parcel in parcels):
            await asyncio.sleep(0.001)
        await courier.close()

    asyncio.run(main())
    assert [count for _, count in wire.polls] == list(range(TASKS, 0, -1))
    times = [when for when, _ in wire.polls]
    for n, (when, later) in enumerate(zip(times, times[1:]), 1):
        assert later - when >= min((TASKS - n) * _GATHER_PER_TASK, _GATHER_MAX) * 0.9
