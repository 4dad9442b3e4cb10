"""A Courier on a thread of its own, for callers on other threads."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import sys
import threading
import weakref
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import thread as _before_us  # noqa: F401  whose exit hook is to run after ours
from typing import Any, TypeVar

from ._answers import Verify
from ._courier import Courier, Parcel
from ._wire import Wire

T = TypeVar("T")

_posts: weakref.WeakSet[Post] = weakref.WeakSet()


class Post:
    """Counts what is not stored yet, by which send() waits, and what is not over, by which join() does."""

    def __init__(self, waiting_max: int, *, url: str | None, key: str | None, verify: Verify, name: str):
        self._waiting_max = waiting_max
        self._courier = Courier(Wire(url, key=key, verify=verify))
        self._name = name
        self._changed = threading.Condition()
        self._unstored = 0
        self._open: set[Parcel] = set()
        self._inbox: list[Parcel] = []
        self._closing = False
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = os.getpid()
        _posts.add(self)

    def send(self, parcel: Parcel) -> None:
        """Waits for room, but not where that would keep parcels from being stored: in callbacks on our own thread."""
        with self._changed:
            if threading.current_thread() is not self._thread:
                self._changed.wait_for(lambda: self._unstored < self._waiting_max)
            if self._closing:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._start()
            self._unstored += 1
            self._open.add(parcel)
            self._inbox.append(parcel)
            if len(self._inbox) == 1 and self._loop is not None:
                self._loop.call_soon_threadsafe(self._empty_inbox)  # once for all that come until it runs: waking costs a system call

    def wait_until_stored(self, parcel: Parcel, timeout: float | None) -> bool:
        """Or over. False when neither came in time."""
        with self._changed:
            return self._changed.wait_for(lambda: parcel.stored or parcel.over, timeout)

    def is_stored(self) -> None:
        with self._changed:
            self._unstored -= 1
            self._changed.notify_all()

    def is_over(self, parcel: Parcel) -> None:
        with self._changed:
            if not parcel.stored:
                self._unstored -= 1
            self._open.discard(parcel)
            self._changed.notify_all()
            if self._closing and not self._open:
                self._stop()

    def cancel(self, parcel: Parcel) -> bool:
        """Whether it ended as cancelled."""
        return self._run(lambda courier: courier.cancel(parcel), otherwise=parcel.was_cancelled)

    def runs(self, parcel: Parcel) -> bool:
        return self._run(lambda courier: courier.runs(parcel), otherwise=False)

    def cancel_waiting(self) -> None:
        """All that no worker has yet."""
        with self._changed:
            parcels = list(self._open)
        self._run(lambda courier: courier.cancel_waiting(parcels), otherwise=None)

    def cancel_all(self, parcels: Sequence[Parcel], *, wait: bool = True) -> None:
        if wait:
            self._run(lambda courier: courier.cancel_all(parcels), otherwise=None)
        else:
            self._schedule(lambda courier: courier.cancel_all(parcels))

    def close(self) -> None:
        """Takes no more; the thread ends when all parcels are over."""
        with self._changed:
            self._closing = True
            if not self._open:
                self._stop()

    def join(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._open)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def flush(self) -> int:
        """Waits until all that was sent is stored or has failed; how many of them failed."""
        with self._changed:
            unstored = [parcel for parcel in self._open if not parcel.stored]
            self._changed.wait_for(lambda: self._unstored == 0)
        return sum(not parcel.stored and not parcel.was_cancelled for parcel in unstored)

    # ---- The thread; under the lock unless said

    def _start(self) -> None:
        if self._thread is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._main, args=(self._loop, self._courier), name=self._name, daemon=True)
            self._thread.start()

    def _stop(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._loop = None

    def _empty_inbox(self) -> None:
        """On the thread, without the lock."""
        with self._changed:
            parcels, self._inbox = self._inbox, []
        for parcel in parcels:
            self._courier.send(parcel)

    @staticmethod
    def _main(loop: asyncio.AbstractEventLoop, courier: Courier) -> None:
        """On the thread, without the lock."""
        asyncio.set_event_loop(loop)
        loop.run_forever()
        left = asyncio.all_tasks(loop)
        for work in left:
            work.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(courier.close())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    def _schedule(self, work: Callable[[Courier], Coroutine[Any, Any, T]]) -> concurrent.futures.Future[T] | None:
        """None when all is over. Without the lock."""
        with self._changed:
            if self._loop is None:
                return None
            return asyncio.run_coroutine_threadsafe(work(self._courier), self._loop)

    def _run(self, work: Callable[[Courier], Coroutine[Any, Any, T]], *, otherwise: T) -> T:
        """Without the lock."""
        scheduled = self._schedule(work)
        try:
            return otherwise if scheduled is None else scheduled.result()
        except concurrent.futures.CancelledError:  # the last parcel was over before it began
            return otherwise


def flush_all() -> int:
    """Of all posts of this process; how many parcels could not be stored."""
    return sum(post.flush() for post in list(_posts) if post._pid == os.getpid())


def _at_exit() -> None:
    if failed := flush_all():
        print(f"deferd: {failed} submitted calls could not be added and are lost; their futures say why", file=sys.stderr)


# As the executors of the standard library do: before threads can be started no more, which resolving a name may need.
threading._register_atexit(_at_exit)  # type: ignore[attr-defined]
