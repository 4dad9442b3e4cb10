"""What both clients do around a call with httpx: the request, and the reading of what came of it."""

from __future__ import annotations

from typing import Any, TypeVar

import httpx

from ._answers import Verify, read_answer, server_address, trust
from ._calls import Call
from .errors import Unreachable

T = TypeVar("T")


def httpx_options(url: str | None, key: str | None, timeout: float, verify: Verify) -> dict[str, Any]:
    """For httpx.Client and httpx.AsyncClient. The environment's proxies are for other servers than this one."""
    url, headers = server_address(url, key)
    return {
        "base_url": url,
        "headers": headers,
        "timeout": timeout,
        # Without TLS there is nothing to trust, and reading the system's certificates takes longer than most calls.
        "verify": trust(verify) if url.startswith("https:") else False,
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


def read_response(call: Call[T], response: httpx.Response) -> T:
    return read_answer(call, response.status_code, response.headers, response.content)


def unreachable(error: httpx.RequestError) -> Unreachable:
    sent = not isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))
    return Unreachable(f"{type(error).__name__}: {error}", sent=sent)
