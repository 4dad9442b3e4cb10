"""An exception of a task's function as the result of what has failed for good (docs/reference/python-tasks.md), and back."""

from __future__ import annotations

import builtins
import json
import traceback
from ._payload import RESULT_BYTES_MAX, from_base64, result_context, to_base64, to_json
from .errors import BadSignature, RemoteTraceback, TaskFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .codecs import Codec

_TRACEBACK_CHARS_MAX = 64 << 10


def write_failure(error: BaseException, codec: Codec | None, payload: bytes) -> str:
    """{"error": {"type", "message", "traceback"}}; and what the exception can be made from anew, where it can be said. payload: of
    the call."""
    detail: dict[str, Any] = {"type": type_name(type(error)), "message": _message(error), "traceback": traceback_text(error)}
    if all(isinstance(argument, (str, int, float, bool, type(None))) for argument in error.args):
        detail["args"] = list(error.args)
    if codec is not None:
        try:
            detail |= {"codec": codec.name, "value": to_base64(codec.dumps(error, result_context(payload)))}
        except Exception:
            pass  # an exception that is no pickle is told by its text
    try:
        text = to_json({"error": detail})
    except (TypeError, ValueError):  # args with NaN
        text = ""
    if text and len(text) <= RESULT_BYTES_MAX:
        return text
    return to_json({"error": {name: str(detail[name])[:_TRACEBACK_CHARS_MAX] for name in ("type", "message", "traceback")}})


def read_failure(body: bytes, codec: Codec | None, payload: bytes, raises: Sequence[type[BaseException]]) -> BaseException | None:
    """The exception as its own type when that is a builtin Exception, one of `raises`, or the codec's; else TaskFailed. Either has a
    RemoteTraceback as its cause. None: the body tells of no exception."""
    try:
        detail = json.loads(body)["error"]
        type_, message, text = (str(detail[name]) for name in ("type", "message", "traceback"))
    except (ValueError, KeyError, TypeError):
        return None
    error: BaseException | None = None
    if codec is not None and "value" in detail:
        error = _decoded(detail["value"], codec, payload)
    elif "args" in detail:
        error = _made_anew(type_, detail["args"], raises)
    if error is None:
        error = TaskFailed(message, type=type_, traceback=text)
    error.__cause__ = RemoteTraceback(text)
    return error


def _decoded(value: str, codec: Codec, payload: bytes) -> BaseException | None:
    try:
        error = codec.loads(from_base64(value), result_context(payload))
    except BadSignature as forged:
        return forged
    except Exception:
        return None  # a class that this side does not have
    return error if isinstance(error, BaseException) else None


def _made_anew(name: str, args: Any, raises: Sequence[type[BaseException]]) -> BaseException | None:
    known = {type_name(kind): kind for kind in raises}
    kind = known.get(name) or getattr(builtins, name, None)
    if not isinstance(kind, type) or not issubclass(kind, Exception if name not in known else BaseException):
        return None
    try:
        return kind(*args)
    except Exception:
        return None  # its constructor takes something else


def type_name(kind: type) -> str:
    module = "__main__" if kind.__module__ == "__mp_main__" else kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def traceback_text(error: BaseException) -> str:
    """As Python prints it, from the task's own code on."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__name__", "").startswith("deferd."):
        trace = trace.tb_next
    text = "".join(traceback.format_exception(type(error), error, trace))
    return text if len(text) <= _TRACEBACK_CHARS_MAX else f"{text[:_TRACEBACK_CHARS_MAX // 2]}\n...\n{text[-_TRACEBACK_CHARS_MAX // 2:]}"


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return f"<{type(error).__name__} that cannot be printed>"
