"""Runs one call in this process, which is there for it alone."""

from __future__ import annotations

import sys
from types import CoroutineType

from . import _payload
from ._durations import seconds
from ._failure import traceback_text, write_failure
from ._functions import registry
from .errors import BadSignature, NeverAgain, Retry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal

    from .codecs import Codec

ERROR_BYTES_MAX = 4 << 10


class Answer:
    """verdict: done, to be tried again, or failed for good. result: JSON, of what is done or failed for good. delay: seconds."""

    __slots__ = ("verdict", "result", "error", "delay")

    def __init__(self, verdict: Literal["done", "retry", "never"], result: str | None = None, error: str | None = None,
                 delay: float | None = None):
        self.verdict = verdict
        self.result = result
        self.error = error
        self.delay = delay

    def members(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def run(payload: bytes, attempt: int) -> Answer:
    """attempt: 1 is the first. A call's last attempt fails for good, so that its caller gets the exception and not its text alone."""
    registry.take_main()
    try:
        call = _payload.read_call(payload)
    except (ValueError, BadSignature) as error:
        return _failed(error, None, payload, for_good=True)
    try:
        value = _call(call) if call.timeout is None else _interrupted(call, call.timeout)
        result = _payload.write_result(value, call.codec, payload)
        post = sys.modules.get("deferd._post")  # with its HTTP client: only where something was submitted
        if post is not None and (lost := post.flush_all()):
            raise RuntimeError(f"{lost} calls that the function submitted could not be added")
        return Answer("done", result)
    except BaseException as error:  # SystemExit and KeyboardInterrupt are what the function raised, too
        last = call.max_attempts is not None and 0 < call.max_attempts <= attempt
        return _failed(error, call.codec, payload, for_good=last or isinstance(error, NeverAgain))


def _call(call: _payload.Invocation) -> Any:
    function = registry.find(call.task)
    if call.each is not None:
        return [_value(function(*args)) for args in call.each]
    return _value(function(*call.args, **call.kwargs))


def _value(returned: Any) -> Any:
    if not isinstance(returned, CoroutineType):
        return returned
    import asyncio  # mostly there already, by the module of the function

    return asyncio.run(returned)


def _interrupted(call: _payload.Invocation, timeout: float) -> Any:
    """The call's value, or TimeoutError after `timeout` seconds, where there is SIGALRM."""
    import signal

    def interrupt(*_: object) -> None:
        raise TimeoutError(f"the function took longer than its timeout of {timeout:g}s")

    if not hasattr(signal, "setitimer"):
        return _call(call)
    signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, timeout)
    try:
        return _call(call)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _failed(error: BaseException, codec: Codec | None, payload: bytes, *, for_good: bool) -> Answer:
    text = traceback_text(error).encode()
    if len(text) > ERROR_BYTES_MAX:
        text = b"...\n" + text[4 - ERROR_BYTES_MAX:]
    shown = text.decode(errors="ignore")
    if for_good:
        return Answer("never", write_failure(error, codec, payload), shown)
    delay = error.delay if isinstance(error, Retry) else None
    return Answer("retry", None, shown, None if delay is None else max(seconds(delay), 0.0))
