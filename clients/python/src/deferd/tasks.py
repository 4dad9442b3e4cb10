"""Functions as tasks: what @task marks, and how a call of one becomes a NewTask."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, ParamSpec, TypeVar, overload

from ._durations import seconds
from ._functions import name_of, registry
from ._payload import Invocation, write_call
from .codecs import find_codec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from ._models import NewTask
    from ._values import Duration
    from .codecs import Codec
    from .executor import TaskFuture

P = ParamSpec("P")
R = TypeVar("R")


class Options(NamedTuple):
    """How a call of a function is added. What is None is as the function says, then as its executor, then as the queue.

    timeout: how long the function may take, where there is SIGALRM; it is interrupted with TimeoutError. The others: see NewTask.
    """

    queue: str | None = None
    retry: Mapping[str, Any] | None = None
    keep_result: Duration | None = None
    timeout: Duration | None = None
    delay: Duration | None = None
    eta: datetime | None = None
    priority: int | None = None
    key: str | None = None
    codec: str | Codec | None = None
    signing_key: bytes | str | None = None
    callback_url: str | None = None
    callback_queue: str | None = None

    def over(self, others: Options) -> Options:
        """These, and where they are None the others'."""
        return Options._make(mine if mine is not None else other for mine, other in zip(self, others))

    def invocation(self, task: str, args: Sequence[Any], kwargs: Mapping[str, Any],
                   each: Sequence[Sequence[Any]] | None = None) -> Invocation:
        max_attempts = (self.retry or {}).get("max_attempts")
        return Invocation(task, args, kwargs, each, find_codec(self.codec or "json", self.signing_key),
                          None if self.timeout is None else seconds(self.timeout), max_attempts)

    def new_task(self, body: str, name: str | None = None) -> NewTask:
        from ._models import NewTask

        return NewTask(body=body, name=name, retry=self.retry, keep_result=self.keep_result, delay=self.delay, eta=self.eta,
                       priority=self.priority, key=self.key, callback_url=self.callback_url, callback_queue=self.callback_queue)


class TaskFunction(Generic[P, R]):
    """What @task makes of a function: called it runs here; submitted it runs in a worker."""

    def __init__(self, function: Callable[P, R], name: str, options: Options):
        functools.update_wrapper(self, function)
        self._function = function
        self.name = name
        self.options = options

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._function(*args, **kwargs)

    def submit(self, *args: P.args, **kwargs: P.kwargs) -> TaskFuture[R]:
        """Adds a call by the default executor (deferd.default_executor()); its future."""
        from .executor import default_executor

        return default_executor().submit(self, *args, **kwargs)

    def new_task(self, *args: P.args, **kwargs: P.kwargs) -> NewTask:
        """A call as a task for Client.add_task() or AsyncClient.add_task(): stored when that returns, and nobody waits for it."""
        return self.options.new_task(write_call(self.options.invocation(self.name, args, kwargs)))

    def with_options(self, **options: Any) -> TaskFunction[P, R]:
        """The same function with other Options: send.with_options(delay="5m").submit("ada")."""
        return TaskFunction(self._function, self.name, self.options._replace(**options))


@overload
def task(function: Callable[P, R], /) -> TaskFunction[P, R]: ...


@overload
def task(*, name: str | None = None, **options: Any) -> Callable[[Callable[P, R]], TaskFunction[P, R]]: ...


def task(function: Callable[P, R] | None = None, /, *, name: str | None = None, **options: Any) -> Any:
    """Marks a function that workers may run: @task, or @task(queue="mail", retry={"max_attempts": 5}); the rest of Options too.

    name: by which calls name it, instead of "module:qualname"; then it may move without making waiting tasks unknown.
    """
    chosen = Options(**options)

    def mark(function: Callable[P, R]) -> TaskFunction[P, R]:
        marked = TaskFunction(function, name or _own_name(function), chosen)
        registry.add(marked.name, function)
        return marked

    return mark if function is None else mark(function)


def _own_name(function: Callable[..., Any]) -> str:
    if "<" in function.__qualname__:
        raise TypeError(f"{function.__qualname__} is not at the top of its module, where a worker could find it")
    module = "__main__" if function.__module__ == "__mp_main__" else function.__module__
    return f"{module}:{function.__qualname__}"


def named_call(function: Callable[..., Any], defaults: Options) -> tuple[str, Options]:
    """The name and the options by which a call of `function` is added."""
    if isinstance(function, TaskFunction):
        return function.name, function.options.over(defaults)
    return name_of(function), defaults
