"""What both clients do around a call: the request, the reading of the answer, and whether to try again."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, Union

import httpx

from ._calls import Call
from ._values import DEFAULT_URL
from .errors import ApiError, ServerError, Unreachable, api_error

T = TypeVar("T")
Verify = Union[str, ssl.SSLContext, bool]

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0


def httpx_options(url: str | None, key: str | None, timeout: float, verify: Verify) -> dict[str, Any]:
    """For httpx.Client and httpx.AsyncClient. The environment's proxies are for other servers than this one."""
    url = url or os.environ.get("DEFERD_URL") or DEFAULT_URL
    if not url.startswith("https:"):
        verify = False  # there is nothing to, and reading the system's certificates takes longer than most calls
    key = key if key is not None else os.environ.get("DEFERD_KEY", "")
    return {
        "base_url": url,
        "headers": {"Authorization": f"Bearer {key}"} if key else {},
        "timeout": timeout,
        "verify": ssl.create_default_context(cafile=verify) if isinstance(verify, str) else verify,
        "trust_env": False,
    }


def request_options(call: Call[Any], timeout: float) -> dict[str, Any]:
    return {
        "method": call.method,
        "url": call.path,
        "json": call.json,
        "content": call.content,
        "params": call.params,
        "timeout": timeout + call.waits,
    }


def read_answer(call: Call[T], response: httpx.Response) -> T:
    if response.is_success:
        is_json = response.headers.get("content-type", "").startswith("application/json")
        try:
            return call.read(response.json() if is_json and response.content else response.text)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ServerError(response.status_code, "", f"an answer that is not deferd's: {type(error).__name__}: {error}:"
                                                        f" {response.text[:200]}") from None
    retry_after = response.headers.get("retry-after", "")
    seconds = float(retry_after) if retry_after.isdigit() else None
    try:
        detail = response.json()["error"]
    except (ValueError, KeyError, TypeError):
        raise ServerError(response.status_code, "", f"HTTP {response.status_code}: {response.text[:200]}",
                          retry_after=seconds) from None
    raise api_error(detail, seconds)


def unreachable(error: httpx.RequestError) -> Unreachable:
    sent = not isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))
    return Unreachable(f"{type(error).__name__}: {error}", sent=sent)


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
