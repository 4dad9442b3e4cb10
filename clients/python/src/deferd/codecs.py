"""How arguments and results become bytes when they are no JSON. Every codec but JSON is asked for by name."""

from __future__ import annotations

import os

from .errors import BadSignature

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol
else:
    Protocol = object

KEY_VARIABLE = "DEFERD_SIGNING_KEY"
_KEY_BYTES_MIN = 16
_SIGNATURE_BYTES = 32


class Codec(Protocol):
    """`context` says what the bytes are of ("call module:name", "result of DIGEST"): bytes of one are none of another."""

    @property
    def name(self) -> str: ...

    def dumps(self, value: object, context: str) -> bytes: ...

    def loads(self, data: bytes, context: str) -> Any: ...


class Pickle:
    """Python's pickle, signed: 32 bytes of HMAC-SHA256 over context, a zero byte and the pickle; then the pickle.

    Who has the key can run any code wherever such payloads are read. Nothing is unpickled whose signature is wrong.
    """

    name = "pickle"

    def __init__(self, key: bytes | str):
        self._key = key.encode() if isinstance(key, str) else key
        if len(self._key) < _KEY_BYTES_MIN:
            raise ValueError(f"the signing key has {len(self._key)} bytes; give {_KEY_BYTES_MIN} or more, as of `openssl rand -hex 32`")

    def dumps(self, value: object, context: str) -> bytes:
        import pickle

        data = pickle.dumps(value)
        return self._sign(data, context) + data

    def loads(self, data: bytes, context: str) -> Any:
        import hmac
        import pickle

        signature, pickled = data[:_SIGNATURE_BYTES], data[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._sign(pickled, context)):
            raise BadSignature(f"{context}: the pickle is not signed with the key of {KEY_VARIABLE}")
        return pickle.loads(pickled)

    def _sign(self, data: bytes, context: str) -> bytes:
        import hmac

        return hmac.new(self._key, context.encode() + b"\0" + data, "sha256").digest()


_registered: dict[str, Codec] = {}


def register_codec(codec: Codec) -> None:
    """Makes a codec of one's own known by its name: where calls are made, and in the module that the worker loads."""
    _registered[codec.name] = codec


def find_codec(codec: str | Codec, key: bytes | str | None = None) -> Codec | None:
    """None for JSON. Pickle's key: the one given, else of DEFERD_SIGNING_KEY."""
    if not isinstance(codec, str):
        return codec
    if codec == "json":
        return None
    if codec == Pickle.name and (found := key or os.environ.get(KEY_VARIABLE)):
        return Pickle(found)
    if codec in _registered:
        return _registered[codec]
    if codec == Pickle.name:
        raise ValueError(f"codec pickle wants a key to sign with: give signing_key, or set {KEY_VARIABLE} here and for the worker")
    raise ValueError(f"no codec {codec}; there are json, pickle, and what register_codec() was told")
