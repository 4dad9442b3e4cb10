"""Runs one call in this process, which is there for it alone."""

from __future__ import annotations

import contextlib
import inspect
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from . import _payload
from ._functions import registry
from ._values import seconds
from .codecs import Codec
from .errors import BadSignature, NeverAgain, Retry

ERROR_BYTES_MAX = 4 << 10


@dataclass(frozen=True)
class Answer:
    """verdict: done, to be tried again, or failed for good. result: JSON, of what is done or failed for good. delay: seconds."""

    verdict: Literal["done", "retry", "never"]
    result: str | None = None
    error: str | None = None
    delay: float | None = None


def run(payload: bytes, attempt: int) -> Answer:
    """attempt: 1 is the first. A call's last attempt fails for good, so that its caller gets the exception and not its text alone."""
    registry.take_main()
    context = _payload.result_context(payload)
    try:
        call = _payload.read_call(payload)
    except (ValueError, BadSignature) as error:
        return _failed(error, None, context, for_good=True)
    try:
        with _interrupted_after(call.timeout):
            function = registry.find(call.task)
            if call.each is not None:
                value: Any = [_value(function(*args)) for args in call.each]
            else:
                value = _value(function(*call.args, **call.kwargs))
        result = _payload.write_result(value, call.codec, context).decode()
        if lost := _flush_all():
            raise RuntimeError(f"{lost} calls that the function submitted could not be added")
        return Answer("done", result)
    except BaseException as error:  # SystemExit and KeyboardInterrupt are what the function raised, too
        last = call.max_attempts is not None and 0 < call.max_attempts <= attempt
        return _failed(error, call.codec, context, for_good=last or isinstance(error, NeverAgain))


def _flush_all() -> int:
    """How many calls that this process submitted could not be stored."""
    post = sys.modules.get(f"{__package__}._post")  # with its HTTP client: only where something was submitted
    return post.flush_all() if post is not None else 0


def _value(returned: Any) -> Any:
    if not inspect.iscoroutine(returned):
        return returned
    import asyncio  # mostly there already, by the module of the function

    return asyncio.run(returned)


def _failed(error: BaseException, codec: Codec | None, context: str, *, for_good: bool) -> Answer:
    text = _payload.traceback_text(error).encode()
    if len(text) > ERROR_BYTES_MAX:
        text = b"...\n" + text[4 - ERROR_BYTES_MAX:]
    shown = text.decode(errors="ignore")
    if for_good:
        return Answer("never", _payload.write_failure(error, codec, context).decode(), shown)
    delay = error.delay if isinstance(error, Retry) else None
    return Answer("retry", None, shown, None if delay is None else seconds(delay))


@contextlib.contextmanager
def _interrupted_after(timeout: float | None) -> Iterator[None]:
    if timeout is None or not hasattr(signal, "setitimer"):
        yield
        return

    def interrupt(*_: object) -> None:
        raise TimeoutError(f"the function took longer than its timeout of {timeout:g}s")

    signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, timeout)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
