"""What a task's body and its result say (docs/reference/python-tasks.md).

The process of each task is forked from one that has loaded this, and pays for every page of it: what few tasks need is imported where
they need it, here and in what this imports. So is typing, which tasks do not need at all: hence a TYPE_CHECKING of our own, by which
type checkers know it too.
"""

from __future__ import annotations

import json

from .codecs import find_codec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from .codecs import Codec

RESULT_BYTES_MAX = 1 << 20

_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_decode = json.JSONDecoder().raw_decode


class Invocation:
    """A call of a function by name; with `each`, one call for each list of arguments."""

    __slots__ = ("task", "args", "kwargs", "each", "codec", "timeout", "max_attempts")

    def __init__(self, task: str, args: Sequence[Any], kwargs: Mapping[str, Any], each: Sequence[Sequence[Any]] | None,
                 codec: Codec | None, timeout: float | None, max_attempts: int | None):
        self.task = task
        self.args = args
        self.kwargs = kwargs
        self.each = each
        self.codec = codec
        self.timeout = timeout
        self.max_attempts = max_attempts


def write_call(call: Invocation) -> str:
    """Raises TypeError or ValueError for arguments that the codec does not carry."""
    members: dict[str, Any] = {"task": call.task}
    arguments: dict[str, Any] = {"each": call.each} if call.each is not None else {"args": call.args, "kwargs": call.kwargs}
    if call.codec is None:
        members |= arguments
    else:
        members |= {"codec": call.codec.name, "arguments": to_base64(call.codec.dumps(arguments, f"call {call.task}"))}
    for name, value in (("timeout", call.timeout), ("max_attempts", call.max_attempts)):
        if value is not None:
            members[name] = value
    return to_json(members)


def read_call(payload: bytes) -> Invocation:
    """Raises ValueError for what is no call, and BadSignature."""
    try:
        text = payload.decode().strip(" \t\n\r")
        members, end = _decode(text)
        if end != len(text):
            raise ValueError(f"there is more behind character {end}")
    except ValueError as error:
        raise ValueError(f'the payload is no JSON: {error}; it is to be {{"task": "module:name", "args": [], "kwargs": {{}}}}') from None
    if not isinstance(members, dict) or not isinstance(members.get("task"), str):
        raise ValueError('the payload names no task; it is to be {"task": "module:name", "args": [], "kwargs": {}}')
    codec, arguments = None, members
    if "codec" in members:
        codec = find_codec(members["codec"])
        if codec is not None:
            arguments = codec.loads(from_base64(members.get("arguments", "")), f"call {members['task']}")
    args, kwargs, each = arguments.get("args", ()), arguments.get("kwargs", {}), arguments.get("each")
    if not isinstance(args, (list, tuple)):
        raise ValueError("args is no array")
    if not isinstance(kwargs, dict):
        raise ValueError("kwargs is no object")
    if each is not None and not isinstance(each, (list, tuple)):
        raise ValueError("each is no array")
    timeout, max_attempts = members.get("timeout"), members.get("max_attempts")
    if timeout is not None and type(timeout) not in (int, float):
        raise ValueError("timeout is no number")
    if max_attempts is not None and type(max_attempts) not in (int, float):
        raise ValueError("max_attempts is no number")
    return Invocation(members["task"], args, kwargs, each, codec, timeout, max_attempts)


def result_context(payload: bytes) -> str:
    """What a codec binds a result to, so that it is the result of no other call."""
    import hashlib

    return f"result of {hashlib.sha256(payload).hexdigest()}"


def write_result(value: object, codec: Codec | None, payload: bytes) -> str:
    """payload: of the call."""
    if codec is not None:
        value = {"codec": codec.name, "value": to_base64(codec.dumps(value, result_context(payload)))}
    text = to_json(value)
    if len(text) > RESULT_BYTES_MAX:
        raise ValueError(f"the result has {len(text)} bytes, at most {RESULT_BYTES_MAX} are kept; store it elsewhere and return where")
    return text


def read_result(body: bytes, codec: Codec | None, payload: bytes) -> Any:
    value = json.loads(body or b"null")
    return value if codec is None else codec.loads(from_base64(value["value"]), result_context(payload))


def to_json(value: object) -> str:
    """In ASCII. Refuses what would come back as something else: NaN, and keys that are no text."""
    if value is None:
        return "null"
    if type(value) is int:
        return repr(value)
    _check_keys(value)
    try:
        return _encode(value)
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


def to_base64(data: bytes) -> str:
    import base64

    return base64.b64encode(data).decode()


def from_base64(text: Any) -> bytes:
    import base64

    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, TypeError):
        raise ValueError("what a codec wrote is to be base64") from None
