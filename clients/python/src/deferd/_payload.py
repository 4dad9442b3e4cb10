"""What a task's body and its result say (docs/reference/python-tasks.md)."""

from __future__ import annotations

import base64
import builtins
import hashlib
import json
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .codecs import Codec, find_codec
from .errors import BadSignature, RemoteTraceback, TaskFailed

RESULT_BYTES_MAX = 1 << 20
_TRACEBACK_CHARS_MAX = 64 << 10


@dataclass(frozen=True)
class Invocation:
    """A call of a function by name; with `each`, one call for each list of arguments."""

    task: str
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    each: Sequence[Sequence[Any]] | None
    codec: Codec | None
    timeout: float | None
    max_attempts: int | None


def write_call(call: Invocation) -> str:
    """Raises TypeError or ValueError for arguments that the codec does not carry."""
    members: dict[str, Any] = {"task": call.task}
    arguments: dict[str, Any] = {"each": call.each} if call.each is not None else {"args": call.args, "kwargs": call.kwargs}
    if call.codec is None:
        members |= arguments
    else:
        members |= {"codec": call.codec.name, "arguments": _base64(call.codec.dumps(arguments, f"call {call.task}"))}
    for name, value in (("timeout", call.timeout), ("max_attempts", call.max_attempts)):
        if value is not None:
            members[name] = value
    return to_json(members)


def read_call(payload: bytes) -> Invocation:
    """Raises ValueError for what is no call, and BadSignature."""
    try:
        members = json.loads(payload)
    except ValueError as error:
        raise ValueError(f'the payload is no JSON: {error}; it is to be {{"task": "module:name", "args": [], "kwargs": {{}}}}') from None
    if not isinstance(members, dict) or not isinstance(members.get("task"), str):
        raise ValueError('the payload names no task; it is to be {"task": "module:name", "args": [], "kwargs": {}}')
    codec = find_codec(members.get("codec", "json"))
    arguments = members
    if codec is not None:
        arguments = codec.loads(_from_base64(members.get("arguments", "")), f"call {members['task']}")
    kinds: dict[str, type | tuple[type, ...]] = {"args": (list, tuple), "kwargs": dict, "each": (list, tuple)}
    for name, kind in kinds.items():
        if not isinstance(arguments.get(name, [] if name != "kwargs" else {}), kind):
            raise ValueError(f"{name} is no {'object' if kind is dict else 'array'}")
    for name in ("timeout", "max_attempts"):
        if name in members and (not isinstance(members[name], (int, float)) or isinstance(members[name], bool)):
            raise ValueError(f"{name} is no number")
    return Invocation(members["task"], arguments.get("args", ()), arguments.get("kwargs", {}), arguments.get("each"), codec,
                      members.get("timeout"), members.get("max_attempts"))


def result_context(payload: bytes) -> str:
    """Binds a result to its call, so that it is the result of no other."""
    return f"result of {hashlib.sha256(payload).hexdigest()}"


def write_result(value: object, codec: Codec | None, context: str) -> bytes:
    text = to_json(value if codec is None else {"codec": codec.name, "value": _base64(codec.dumps(value, context))})
    encoded = text.encode()
    if len(encoded) > RESULT_BYTES_MAX:
        raise ValueError(f"the result has {len(encoded)} bytes, at most {RESULT_BYTES_MAX} are kept; store it elsewhere and return where")
    return encoded


def read_result(body: bytes, codec: Codec | None, context: str) -> Any:
    value = json.loads(body or b"null")
    return value if codec is None else codec.loads(_from_base64(value["value"]), context)


def write_failure(error: BaseException, codec: Codec | None, context: str) -> bytes:
    """{"error": {"type", "message", "traceback"}}; and what the exception can be made from anew, where it can be said."""
    detail: dict[str, Any] = {"type": type_name(type(error)), "message": _message(error), "traceback": traceback_text(error)}
    if all(isinstance(argument, (str, int, float, bool, type(None))) for argument in error.args):
        detail["args"] = list(error.args)
    if codec is not None:
        try:
            detail |= {"codec": codec.name, "value": _base64(codec.dumps(error, context))}
        except Exception:
            pass  # an exception that is no pickle is told by its text
    try:
        text = to_json({"error": detail}).encode()
    except (TypeError, ValueError):  # args with NaN
        text = b""
    if text and len(text) <= RESULT_BYTES_MAX:
        return text
    return to_json({"error": {name: str(detail[name])[:_TRACEBACK_CHARS_MAX] for name in ("type", "message", "traceback")}}).encode()


def read_failure(body: bytes, codec: Codec | None, context: str, raises: Sequence[type[BaseException]]) -> BaseException | None:
    """The exception as its own type when that is a builtin Exception, one of `raises`, or the codec's; else TaskFailed. Either has a
    RemoteTraceback as its cause. None: the body tells of no exception."""
    try:
        detail = json.loads(body)["error"]
        type_, message, text = (str(detail[name]) for name in ("type", "message", "traceback"))
    except (ValueError, KeyError, TypeError):
        return None
    error: BaseException | None = None
    if codec is not None and "value" in detail:
        error = _unpickled(detail["value"], codec, context)
    elif "args" in detail:
        error = _made_anew(type_, detail["args"], raises)
    if error is None:
        error = TaskFailed(message, type=type_, traceback=text)
    error.__cause__ = RemoteTraceback(text)
    return error


def _unpickled(value: str, codec: Codec, context: str) -> BaseException | None:
    try:
        error = codec.loads(_from_base64(value), context)
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


def to_json(value: object) -> str:
    """Refuses what would come back as something else: NaN, and keys that are no text."""
    _check_keys(value)
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False)
    except TypeError as error:
        raise TypeError(f"{error}; give JSON (None, bool, int, float, str, list, dict), or choose codec=\"pickle\"") from None


def _check_keys(value: object) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise TypeError(f"the key {key!r} of a dict is no text, which JSON would make of it; choose codec=\"pickle\"")
            _check_keys(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            _check_keys(inner)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _from_base64(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, TypeError):
        raise ValueError("what a codec wrote is to be base64") from None
