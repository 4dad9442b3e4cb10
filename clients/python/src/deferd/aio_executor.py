"""The Executor for asyncio."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, ParamSpec, TypeVar
from uuid import uuid4

from ._answers import Verify
from ._courier import Courier, Parcel
from ._models import Json
from ._outcomes import Reader
from ._payload import write_call
from ._values import Duration
from ._wire import Wire
from .codecs import Codec
from .errors import DeferdError, WaitingFull
from .tasks import Options, named_call

P = ParamSpec("P")
T = TypeVar("T")


class _AwaitedParcel(Parcel):
    """Puts what becomes of a parcel into its asyncio future, which may have been cancelled meanwhile."""

    def bind(self, future: asyncio.Future[Any], reader: Reader, unstored: dict[Parcel, None]) -> None:
        self._future = future
        self._reader = reader
        self._unstored = unstored
        unstored[self] = None

    def on_stored(self) -> None:
        self._unstored.pop(self)

    def on_ended(self, outcome: Json) -> None:
        if self._future.done():
            return  # cancelled here
        try:
            self._future.set_result(self._reader.value(outcome))
        except BaseException as error:
            self._fail(error)

    def on_failed(self, error: DeferdError) -> None:
        self._unstored.pop(self, None)
        if not self._future.done():
            self._fail(error)

    def on_cancelled(self) -> None:
        self._unstored.pop(self, None)
        self._future.cancel()

    def _fail(self, error: BaseException) -> None:
        # asyncio takes no StopIteration for a future's exception.
        self._future.set_exception(RuntimeError(repr(error)) if isinstance(error, StopIteration) else error)


class AsyncExecutor:
    """`await executor.submit(f, 1)`: calls run in deferd's workers. As Executor, on the event loop it is made on.

    A future that is cancelled cancels its task at the server, wherever it is. submit() never waits: it raises WaitingFull when
    waiting_max calls wait to be added.
    """

    def __init__(
        self, *, queue: str = "python", keep_result: Duration = "1h", retry: Mapping[str, Any] | None = None,
        codec: str | Codec = "json", signing_key: bytes | str | None = None, raises: Sequence[type[BaseException]] = (),
        timeout: Duration | None = None, add_timeout: float = 60.0, waiting_max: int = 10_000, url: str | None = None,
        key: str | None = None, verify: Verify = True,
    ):
        self._defaults = Options(queue=queue, keep_result=keep_result, retry=retry or {"max_attempts": 1}, codec=codec,
                                 signing_key=signing_key, timeout=timeout)
        self._raises = tuple(raises)
        self._add_timeout = add_timeout
        self._waiting_max = waiting_max
        self._unstored: dict[Parcel, None] = {}  # in order
        self._courier = Courier(Wire(url, key=key, verify=verify))
        self._open: dict[Parcel, asyncio.Future[Any]] = {}
        self._cancels: set[asyncio.Task[None]] = set()
        self._names = map((uuid4().hex + "-{}").format, itertools.count())
        self._closed = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
        """Adds a call of `fn`. Raises TypeError for what no worker could find or the codec cannot carry."""
        if self._closed:
            raise RuntimeError("cannot schedule new futures after shutdown")
        if len(self._unstored) >= self._waiting_max:
            raise WaitingFull(f"{self._waiting_max} calls wait to be added; await some of them first")
        name, options = named_call(fn, self._defaults)
        call = options.invocation(name, args, kwargs)
        body = write_call(call)
        task_name = next(self._names)
        parcel = _AwaitedParcel(options.queue or "python", task_name, options.new_task(body, task_name).write(), len(body),
                                time.monotonic() + self._add_timeout)
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        parcel.bind(future, Reader(call.codec, body.encode(), self._raises), self._unstored)
        self._open[parcel] = future
        future.add_done_callback(lambda _: self._is_done(parcel))
        self._courier.send(parcel)
        return future

    async def map(self, fn: Callable[..., T], *iterables: Iterable[Any]) -> AsyncIterator[T]:
        """Results in order; cancels what is left when it is not read to the end."""
        futures: list[asyncio.Future[T]] = []
        try:
            for args in zip(*iterables):
                while len(self._unstored) >= self._waiting_max:
                    await next(iter(self._unstored)).until_settled()
                futures.append(self.submit(fn, *args))
            for future in futures:
                yield await future
        finally:
            for future in futures:
                future.cancel()

    async def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """No more submits. cancel_futures: cancels what no worker has yet. wait: until all have ended; else what has not been stored is
        stored, and the outcomes of the rest are not waited for: their futures are cancelled here, their tasks go on."""
        self._closed = True
        if cancel_futures:
            await self._courier.cancel_waiting(list(self._open))
        if wait:
            while self._open:
                await asyncio.wait(list(self._open.values()))
        for parcel in list(self._open):
            await parcel.until_settled()
        while self._cancels:
            await asyncio.wait(list(self._cancels))
        left, self._open = self._open, {}
        for parcel, future in left.items():
            parcel.over = True
            future.cancel()
        await self._courier.close()

    async def __aenter__(self) -> AsyncExecutor:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.shutdown()

    def _is_done(self, parcel: Parcel) -> None:
        self._open.pop(parcel, None)
        if not parcel.over:  # the caller cancelled it
            work = asyncio.create_task(self._courier.cancel_all([parcel]))
            self._cancels.add(work)
            work.add_done_callback(self._cancels.discard)
