"""Carries calls of functions to the server, and brings their outcomes back. Everything here runs on one event loop.

A Parcel is in exactly one place: waiting (to be added), on its way (in the batch under way), or watched (stored; some poll asks for
it), and gone once it has ended. What is waiting gathers while a batch is under way, so that a loop of submits is few calls.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from . import _calls
from ._answers import longer_pause
from ._models import Json, Outcome
from ._wire import Wire
from .errors import AlreadyExists, ApiError, DeferdError, NotFound, Unreachable

log = logging.getLogger("deferd")

_BATCH_TASKS = 1000
_BATCH_BYTES = 8 << 20
_POLLS = 4
_POLL_TASKS = 1000
_POLL_WAIT = 30.0
_POLL_WAIT_CROWDED = 0.5  # while there is more to ask for than polls can hold
# Before the rest of many are asked for again: a poll names them all, and ends with the first of them.
_GATHER_PER_TASK = 0.0005
_GATHER_MAX = 0.02
_CANCELS_AT_ONCE = 16
_CANCEL_ATTEMPTS = 4


@dataclass(eq=False)
class Parcel:
    """A task to be added under a name of its own, and what is told of it: exactly one of ended, failed and cancelled, at the end."""

    queue: str
    name: str
    task: Json  # as NewTask.write() gives it, with the name
    size: int
    add_before: float  # time.monotonic(): after it, no more attempts to add it
    id: str = ""  # when it is known
    waiting: bool = False
    stored: bool = False
    over: bool = False
    was_cancelled: bool = False
    _settled: asyncio.Event | None = field(default=None, init=False)  # made for who waits for it

    async def until_settled(self) -> None:
        """Returns when it is stored, or over."""
        if not self.stored and not self.over:
            self._settled = self._settled or asyncio.Event()
            await self._settled.wait()

    def settle(self) -> None:
        if self._settled is not None:
            self._settled.set()

    def on_stored(self) -> None:
        """The server has it on its disk."""

    def on_ended(self, outcome: Json) -> None:
        """It succeeded, failed or expired. outcome: what Outcome.read() reads."""

    def on_failed(self, error: DeferdError) -> None:
        """It could not be added, or its outcome cannot be had."""

    def on_cancelled(self) -> None:
        """It ended as cancelled, by whomever."""


class Courier:
    """Takes parcels for any queue. What fails for now is tried again here."""

    def __init__(self, wire: Wire):
        self._wire = wire
        self._lanes: dict[str, _Lane] = {}

    def send(self, parcel: Parcel) -> None:
        self._lane(parcel.queue).send(parcel)

    async def cancel(self, parcel: Parcel) -> bool:
        """Whether it ended as cancelled. Raises when the server cannot say."""
        return await self._lane(parcel.queue).cancel(parcel)

    async def cancel_waiting(self, parcels: Iterable[Parcel]) -> None:
        """Those that do not run yet, as far as the server says."""
        await self._each(parcels, lambda lane, parcel: lane.cancel_unless_running(parcel))

    async def cancel_all(self, parcels: Iterable[Parcel]) -> None:
        await self._each(parcels, lambda lane, parcel: lane.cancel(parcel))

    async def runs(self, parcel: Parcel) -> bool:
        return parcel.stored and not parcel.over and await self._lane(parcel.queue).runs(parcel)

    async def close(self) -> None:
        for lane in self._lanes.values():
            lane.close()
        await self._wire.close()

    def _lane(self, queue: str) -> _Lane:
        if queue not in self._lanes:
            self._lanes[queue] = _Lane(self._wire, queue)
        return self._lanes[queue]

    async def _each(self, parcels: Iterable[Parcel], act: _Act) -> None:
        room = asyncio.Semaphore(_CANCELS_AT_ONCE)

        async def one(parcel: Parcel) -> None:
            async with room:
                try:
                    await act(self._lane(parcel.queue), parcel)
                except DeferdError as error:
                    log.warning("task %s of queue %s could not be cancelled: %s", parcel.name, parcel.queue, error)

        await asyncio.gather(*map(one, parcels))


class _Lane:
    """The parcels of one queue."""

    def __init__(self, wire: Wire, queue: str):
        self._wire = wire
        self._queue = queue
        self._waiting: deque[Parcel] = deque()
        self._adder: asyncio.Task[None] | None = None
        self._may_make_queue = True
        self._unasked: deque[Parcel] = deque()  # stored, and in no poll
        self._polls: dict[asyncio.Task[None], dict[str, Parcel]] = {}
        self._gathering: asyncio.TimerHandle | None = None
        self._gathered: list[Parcel] = []  # to be asked for again, soon

    def send(self, parcel: Parcel) -> None:
        parcel.waiting = True
        self._waiting.append(parcel)
        if self._adder is None:
            self._adder = asyncio.create_task(self._add_waiting())

    def close(self) -> None:
        if self._gathering is not None:
            self._gathering.cancel()
        for work in [*self._polls, *([self._adder] if self._adder else [])]:
            work.cancel()

    # ---- Adding

    async def _add_waiting(self) -> None:
        pause = 0.0
        while batch := self._take_batch():
            refusals: Sequence[DeferdError | None]
            try:
                refusals = await self._add(batch)
            except Exception as error:
                refusals = [_told(error)] * len(batch)
            again = []
            for parcel, refusal in zip(batch, refusals):
                if refusal is None:
                    self._is_stored(parcel)
                elif _is_for_now(refusal) and time.monotonic() < parcel.add_before:
                    again.append(parcel)
                else:
                    _fail(parcel, refusal)
            self._ask()
            if again:
                self._put_back(again)
                pause = longer_pause(pause)
                await asyncio.sleep(pause)
            else:
                pause = 0.0
        self._adder = None

    def _take_batch(self) -> list[Parcel]:
        batch: list[Parcel] = []
        size = 0
        while self._waiting and len(batch) < _BATCH_TASKS and (not batch or size + self._waiting[0].size <= _BATCH_BYTES):
            parcel = self._waiting.popleft()
            parcel.waiting = False
            if not parcel.over:
                size += parcel.size
                batch.append(parcel)
        return batch

    def _put_back(self, batch: list[Parcel]) -> None:
        for parcel in reversed(batch):
            parcel.waiting = True
            self._waiting.appendleft(parcel)

    async def _add(self, batch: list[Parcel]) -> list[ApiError | None]:
        """For each why it was refused. That its name is taken means that an attempt whose answer was lost has added it."""
        call = _calls.add_written(self._queue, [parcel.task for parcel in batch], lambda task: str(task["id"]))
        try:
            answers = await self._wire.run(call)
        except NotFound:
            if not self._may_make_queue:
                raise
            self._may_make_queue = False
            await self._wire.run(_calls.put_queue(self._queue, {"mode": "pull"}))
            return await self._add(batch)
        for parcel, answer in zip(batch, answers):
            if isinstance(answer, str):
                parcel.id = answer
        return [answer if isinstance(answer, ApiError) and not isinstance(answer, AlreadyExists) else None for answer in answers]

    def _is_stored(self, parcel: Parcel) -> None:
        parcel.stored = True
        parcel.settle()
        parcel.on_stored()
        self._unasked.append(parcel)

    # ---- Outcomes

    def _ask(self) -> None:
        """Sees that a poll holds what is in none. Few polls hold everything; the smallest is made anew for a newcomer, who would
        otherwise wait until one of its elders ends."""
        while self._unasked:
            if len(self._polls) < _POLLS:
                names: dict[str, Parcel] = {}
            else:
                poll, smallest = min(self._polls.items(), key=lambda item: len(item[1]))
                if len(smallest) >= _POLL_TASKS:
                    return
                del self._polls[poll]
                poll.cancel()
                names = dict(smallest)
            while self._unasked and len(names) < _POLL_TASKS:
                parcel = self._unasked.popleft()
                if not parcel.over:
                    names[parcel.id or parcel.name] = parcel
            if names:
                self._polls[asyncio.create_task(self._poll(names))] = names

    async def _poll(self, names: dict[str, Parcel]) -> None:
        pause = 0.0
        while True:
            try:
                wait = _POLL_WAIT_CROWDED if self._unasked else _POLL_WAIT
                outcomes = await self._wire.run(_calls.poll_results(self._queue, names.keys(), wait))
                break
            except Exception as failure:
                error = _told(failure)
                if not _is_for_now(error):
                    for parcel in names.values():
                        _fail(parcel, error)
                    names.clear()
                    break
                if not pause:
                    log.warning("queue %s: no outcomes for now, asking again: %s", self._queue, error)
                pause = longer_pause(pause)
                await asyncio.sleep(pause)
        me = asyncio.current_task()
        if me is not None:
            self._polls.pop(me, None)
        if names:
            for name, outcome in outcomes.items():
                if name in names:
                    _end(names.pop(name), outcome)
        self._gathered.extend(names.values())
        if self._gathered and self._gathering is None:
            pause = min(len(self._gathered) * _GATHER_PER_TASK, _GATHER_MAX)
            self._gathering = asyncio.get_running_loop().call_later(pause, self._ask_again)
        self._ask()

    def _ask_again(self) -> None:
        self._gathering = None
        self._unasked.extend(self._gathered)
        self._gathered.clear()
        self._ask()

    # ---- Cancelling

    async def cancel(self, parcel: Parcel) -> bool:
        if not parcel.over and parcel.waiting:
            _cancelled(parcel)
            return True
        await parcel.until_settled()
        pause, attempts = 0.0, 0
        while not parcel.over:
            try:
                if await self._ends_as_cancelled(parcel):
                    _cancelled(parcel)
                break
            except DeferdError as error:
                attempts += 1
                if attempts == _CANCEL_ATTEMPTS or not _is_for_now(error):
                    raise
            pause = longer_pause(pause)
            await asyncio.sleep(pause)
        return parcel.was_cancelled

    async def _ends_as_cancelled(self, parcel: Parcel) -> bool:
        try:
            await self._wire.run(_calls.cancel_task(self._queue, parcel.name))
            return True
        except NotFound:
            # It has ended: perhaps by an attempt of this very call whose answer was lost.
            return (await self._outcome(parcel)).state == "cancelled"

    async def cancel_unless_running(self, parcel: Parcel) -> None:
        if not parcel.stored or not await self.runs(parcel):
            await self.cancel(parcel)

    async def runs(self, parcel: Parcel) -> bool:
        outcome = await self._outcome(parcel)
        return outcome.pending and outcome.task_state in ("in_flight", "leased")

    async def _outcome(self, parcel: Parcel) -> Outcome:
        return await self._wire.run(_calls.get_result(self._queue, parcel.name, 0.0, False))


def _is_for_now(error: DeferdError) -> bool:
    return isinstance(error, Unreachable) or (isinstance(error, ApiError) and (error.code == 429 or error.code >= 500))


def _told(error: Exception) -> DeferdError:
    """A mistake of ours must not leave futures without an end either."""
    if isinstance(error, DeferdError):
        return error
    log.error("unexpected", exc_info=error)
    return DeferdError(f"{type(error).__name__}: {error}")


def _end(parcel: Parcel, outcome: Json | ApiError) -> None:
    if isinstance(outcome, ApiError):
        _fail(parcel, outcome)
    elif outcome["state"] == "cancelled":
        _cancelled(parcel)
    elif not parcel.over:
        _is_over(parcel)
        parcel.on_ended(outcome)


def _fail(parcel: Parcel, error: DeferdError) -> None:
    if not parcel.over:
        _is_over(parcel)
        parcel.on_failed(error)


def _cancelled(parcel: Parcel) -> None:
    if not parcel.over:
        parcel.was_cancelled = True
        _is_over(parcel)
        parcel.on_cancelled()


def _is_over(parcel: Parcel) -> None:
    parcel.over = True
    parcel.settle()


_Act = Callable[[_Lane, Parcel], Awaitable[object]]
