"""What a task's outcome is to whoever called the function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ._failure import read_failure
from ._models import Json, Outcome
from ._payload import read_result
from ._values import read_body
from .codecs import Codec
from .errors import TaskCrashed, TaskExpired, TaskFailed

_EXITED = ("exited", None)


@dataclass(frozen=True)
class Reader:
    """Reads the outcome of one call: its value, or raises what it failed with."""

    codec: Codec | None
    payload: bytes
    raises: Sequence[type[BaseException]]

    def value(self, outcome: Json) -> Any:
        """outcome: what Outcome.read() reads."""
        if outcome["state"] != "succeeded":
            raise self._failure(Outcome.read(outcome))
        result = outcome.get("result", {})
        if result.get("truncated"):
            raise TaskFailed("its result was longer than 1 MiB and was cut", reason="truncated")
        try:
            return read_result(read_body(result) or b"", self.codec, self.payload)
        except (ValueError, KeyError, TypeError) as error:
            raise TaskFailed(f"its result is not what the worker of this package writes: {error}") from error

    def _failure(self, outcome: Outcome) -> BaseException:
        reason = outcome.reason or ""
        text = outcome.error or outcome.last_failure or outcome.state
        if outcome.state == "expired":
            return TaskExpired(text, reason="expired")
        raised = read_failure(outcome.body or b"", self.codec, self.payload, self.raises) if outcome.body else None
        if isinstance(raised, TaskFailed):
            raised.reason = reason
        if raised is not None:
            return raised
        cause = outcome.usage.cause if outcome.usage else None
        if cause not in _EXITED:
            return TaskCrashed(text, cause=cause or "", reason=reason)
        if outcome.last_failure == "lease_expired" or reason == "poison":
            return TaskCrashed(text, cause=outcome.last_failure or reason, reason=reason)
        return _failed_by_text(text, reason)


def _failed_by_text(text: str, reason: str) -> TaskFailed:
    """Of a task whose attempts were used up by its queue's settings, which tell of no exception but by its printed traceback."""
    last = text.rstrip().rpartition("\n")[2]
    if "Traceback (most recent call last)" not in text and not text.startswith("...\n"):
        return TaskFailed(text, reason=reason)
    type_, _, message = last.partition(": ")
    return TaskFailed(message, type=type_, traceback=text, reason=reason)
