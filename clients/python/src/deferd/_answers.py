"""Around a call, whatever carries it: where the server is, how its answer is read, and whether to try again."""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, Union
from urllib.parse import urlsplit

from ._calls import Call
from ._values import DEFAULT_URL
from .errors import ApiError, ServerError, Unreachable, api_error

T = TypeVar("T")
Verify = Union[str, ssl.SSLContext, bool]

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0


def server_address(url: str | None, key: str | None) -> tuple[str, dict[str, str]]:
    """Its URL, and the headers of each request. Raises ValueError for what is none."""
    url = url or os.environ.get("DEFERD_URL") or DEFAULT_URL
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"url {url!r} is no server's; give one like {DEFAULT_URL}")
    key = key if key is not None else os.environ.get("DEFERD_KEY", "")
    if not key.isascii() or not key.isprintable():
        raise ValueError("the API key has characters that no key has, perhaps a line's end; it is printable ASCII")
    return url, {"Authorization": f"Bearer {key}"} if key else {}


def trust(verify: Verify) -> ssl.SSLContext:
    if isinstance(verify, ssl.SSLContext):
        return verify
    if isinstance(verify, str):
        return ssl.create_default_context(cafile=verify)
    import httpx  # whose certificates are those of the clients

    return httpx.create_ssl_context(verify=verify, trust_env=False)


def read_answer(call: Call[T], status: int, headers: Mapping[str, str], content: bytes) -> T:
    """headers: by their names in lower case."""
    if 200 <= status < 300:
        is_json = headers.get("content-type", "").startswith("application/json")
        try:
            return call.read(json.loads(content) if is_json and content else content.decode(errors="replace"))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ServerError(status, "", f"an answer that is not deferd's: {type(error).__name__}: {error}: {_shown(content)}") from None
    retry_after = headers.get("retry-after", "")
    seconds = float(retry_after) if retry_after.isdigit() else None
    try:
        detail = json.loads(content)["error"]
    except (ValueError, KeyError, TypeError):
        raise ServerError(status, "", f"HTTP {status}: {_shown(content)}", retry_after=seconds) from None
    raise api_error(detail, seconds)


def _shown(content: bytes) -> str:
    return content.decode(errors="replace")[:200]


def longer_pause(pause: float) -> float:
    """The one after `pause`, 0.0 before the first."""
    return min(max(pause * 2.0, _FIRST_PAUSE), _LONGEST_PAUSE)


@dataclass
class Patience:
    """Says how long to wait before a failed call is made again; raises the failure when that is of no use."""

    call: Call[Any]
    attempts_max: int
    attempts: int = 0
    grown: float = 0.0

    def pause(self, failure: ApiError | Unreachable) -> float:
        self.attempts += 1
        if self.attempts >= self.attempts_max or not self._may_repeat(failure):
            raise failure
        self.grown = longer_pause(self.grown)
        asked = failure.retry_after if isinstance(failure, ApiError) else None
        return min(max(self.grown, asked or 0.0), _LONGEST_PAUSE)

    def _may_repeat(self, failure: ApiError | Unreachable) -> bool:
        if isinstance(failure, ApiError):
            # Refused before anything was done.
            return failure.code in (429, 503)
        return not failure.sent or self.call.repeats or _has_name(self.call.json)


def _has_name(body: Any) -> bool:
    """Whether an add happens once however often it is sent."""
    if not isinstance(body, Mapping):
        return False
    tasks = body.get("tasks")
    return "name" in body if tasks is None else all("name" in task for task in tasks)
