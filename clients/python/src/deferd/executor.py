"""concurrent.futures, durable and distributed: calls are tasks of deferd, and workers anywhere run them."""

from __future__ import annotations

import asyncio
import concurrent.futures
import itertools
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar
from uuid import uuid4

from ._answers import Verify
from ._courier import Parcel
from ._functions import registry
from ._models import Json
from ._outcomes import Reader
from ._payload import write_call
from ._post import Post
from ._values import Duration
from .codecs import Codec
from .errors import DeferdError
from .tasks import Options, named_call

P = ParamSpec("P")
T = TypeVar("T")

_STATE_AGE_MAX = 0.2  # seconds for which an answer to running() is good


class TaskFuture(concurrent.futures.Future[T]):
    """The future of a task; task_name and queue say where the task is, for calls of Client."""

    def __init__(self, post: Post, queue: str, task_name: str):
        super().__init__()
        self.queue = queue
        self.task_name = task_name
        self._post = post
        self._parcel: Parcel | None = None
        self._runs = False
        self._runs_at = -_STATE_AGE_MAX

    def added(self, timeout: float | None = None) -> None:
        """Returns once the task is on the server's disk; raises why it could not be added, or TimeoutError."""
        assert self._parcel is not None
        if not self._post.wait_until_stored(self._parcel, timeout):
            raise TimeoutError(f"task {self.task_name} is not added yet")
        if not self._parcel.stored:
            self.result()

    def cancel(self) -> bool:
        """Cancels the task at the server, also while it runs: True if it ended as cancelled.

        Waits for the server's answer; raises when there is none. On a thread whose event loop runs it does not wait, and says False:
        the future becomes cancelled when the answer says so.
        """
        if self.done() or self._parcel is None:
            return self.cancelled()
        if _must_not_wait():
            self._post.cancel_all([self._parcel], wait=False)
            return self.cancelled()
        return self._post.cancel(self._parcel)

    def running(self) -> bool:
        """Whether a worker has the task, as the server said within the last moment."""
        if self.done() or self._parcel is None or not self._parcel.stored:
            return False
        if time.monotonic() - self._runs_at >= _STATE_AGE_MAX and not _must_not_wait():
            try:
                self._runs = self._post.runs(self._parcel)
            except DeferdError:
                pass  # what was known is the best there is
            self._runs_at = time.monotonic()
        return self._runs and not self.done()

    def _cancel_here(self) -> None:
        super().cancel()
        self.set_running_or_notify_cancel()  # wakes wait() and as_completed(), as the executors of the standard library do


class _CallParcel(Parcel):
    """Puts what becomes of a parcel into its future."""

    def bind(self, future: TaskFuture[Any], reader: Reader, post: Post) -> None:
        self._future = future
        self._reader = reader
        self._post = post
        future._parcel = self

    def on_stored(self) -> None:
        self._post.is_stored()

    def on_ended(self, outcome: Json) -> None:
        try:
            self._future.set_result(self._reader.value(outcome))
        except BaseException as error:  # whatever the function raised, KeyboardInterrupt as well
            self._future.set_exception(error)
        self._post.is_over(self)

    def on_failed(self, error: DeferdError) -> None:
        self._future.set_exception(error)
        self._post.is_over(self)

    def on_cancelled(self) -> None:
        self._future._cancel_here()
        self._post.is_over(self)


class Executor(concurrent.futures.Executor):
    """Runs calls in deferd's workers: `from deferd import Executor as ThreadPoolExecutor`.

    Workers are started for the module of the functions: `deferd-worker --queue python --python mymodule`, or without a sandbox
    `python3 -m deferd.worker --unsandboxed --queue python mymodule`. A call is stored before its future can be running; what was
    submitted is added also when the interpreter ends right after.

    max_workers, thread_name_prefix: taken for ThreadPoolExecutor's sake, and of no effect: workers say how much runs at once.
    queue: a pull queue, which is made when it is not there. keep_result: how long after its end an outcome can still be fetched.
    retry: of tasks whose functions name none; by default a call is tried once, and what it raises is raised by its future.
    codec: "json", "pickle" (signed with signing_key, else $DEFERD_SIGNING_KEY), or a Codec. raises: exception classes beside the
    builtin ones that are raised as themselves. timeout: seconds that a function may take. add_timeout: seconds after which what could
    not be added fails in its future.
    waiting_max: how many calls may wait to be added before submit() blocks.
    url, key, verify: as of Client.
    """

    def __init__(
        self, max_workers: int | None = None, thread_name_prefix: str = "", *, queue: str = "python", keep_result: Duration = "1h",
        retry: Mapping[str, Any] | None = None, codec: str | Codec = "json", signing_key: bytes | str | None = None,
        raises: Sequence[type[BaseException]] = (), timeout: Duration | None = None, add_timeout: float = 60.0,
        waiting_max: int = 10_000, url: str | None = None, key: str | None = None, verify: Verify = True,
    ):
        if max_workers is not None and max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        self._defaults = Options(queue=queue, keep_result=keep_result, retry=retry or {"max_attempts": 1}, codec=codec,
                                 signing_key=signing_key, timeout=timeout)
        self._raises = tuple(raises)
        self._add_timeout = add_timeout
        self._names = map((uuid4().hex + "-{}").format, itertools.count())  # of tasks; an executor does not go through a fork
        self._pid = os.getpid()
        self._closed = False
        self._post = Post(waiting_max, url=url, key=key, verify=verify, name=thread_name_prefix or "deferd")
        weakref.finalize(self, self._post.close)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> TaskFuture[T]:
        """Adds a call of `fn`: a function at the top of a module, or one that is marked with @task.

        Raises TypeError for what no worker could find or the codec cannot carry. What the server says comes in the future.
        """
        return self._send(fn, args, kwargs, None)

    def map(self, fn: Callable[..., T], *iterables: Iterable[Any], timeout: float | None = None,
            chunksize: int = 1) -> Iterator[T]:
        """As the standard library's: results in order; chunksize calls of fn are one task, which fails as one."""
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        end = None if timeout is None else time.monotonic() + timeout
        calls = zip(*iterables)
        futures: list[TaskFuture[Any]]
        if chunksize == 1:
            futures = [self._send(fn, args, {}, None) for args in calls]
        else:
            futures = [self._send(fn, (), {}, chunk) for chunk in iter(lambda: list(itertools.islice(calls, chunksize)), [])]
        return self._results(futures, end, chunksize > 1)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """No more submits. cancel_futures: cancels what no worker has yet, as far as the server says. wait: until all have ended."""
        self._closed = True
        if cancel_futures:
            self._post.cancel_waiting()
        self._post.close()
        if wait:
            self._post.join()

    def _results(self, futures: list[TaskFuture[Any]], end: float | None, chunks: bool) -> Iterator[Any]:
        futures.reverse()
        try:
            while futures:
                result = futures[-1].result(None if end is None else end - time.monotonic())
                futures.pop()
                if chunks:
                    yield from result
                else:
                    yield result
        finally:
            self._post.cancel_all([future._parcel for future in futures if future._parcel and not future.done()],
                                  wait=not _must_not_wait())

    def _send(self, fn: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any],
              each: Sequence[Sequence[Any]] | None) -> TaskFuture[Any]:
        name, options = named_call(fn, self._defaults)
        self._check_open()
        call = options.invocation(name, args, kwargs, each)
        body = write_call(call)
        queue, task_name = options.queue or "python", next(self._names)
        future: TaskFuture[Any] = TaskFuture(self._post, queue, task_name)
        task = options.new_task(body, task_name).write()
        parcel = _CallParcel(queue, task_name, task, len(body), time.monotonic() + self._add_timeout)
        parcel.bind(future, Reader(call.codec, body.encode(), self._raises), self._post)
        self._post.send(parcel)
        return future

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("cannot schedule new futures after shutdown")
        if self._pid != os.getpid():
            raise RuntimeError("this executor was made before a fork; make one in each process")
        if registry.loading:
            raise RuntimeError('a worker loads this module, which would submit its tasks anew each time: put what submits under'
                               ' `if __name__ == "__main__":`')


def _must_not_wait() -> bool:
    """Whether an event loop runs on this thread, which must not stand still; the callbacks of futures are on such a one."""
    try:
        asyncio.get_running_loop()
        return True
    except RuntimeError:
        return False


_default: Executor | None = None
_default_lock = threading.Lock()


def default_executor() -> Executor:
    """What TaskFunction.submit() adds with: that of set_default_executor(), else one for $DEFERD_URL and $DEFERD_KEY."""
    global _default
    with _default_lock:
        if _default is None or _default._pid != os.getpid():
            _default = Executor()
        return _default


def set_default_executor(executor: Executor) -> None:
    global _default
    with _default_lock:
        _default = executor
