"""Calls of executors over connections that are kept, on an event loop. They are many and small, and what httpx does around one takes
several times as long as all the rest of a call (docs/decisions/0031-executors-read-http-with-httptools.md).
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import urlencode, urlsplit

import httptools

from ._answers import Verify, read_answer, server_address, trust
from ._calls import Call
from .errors import Unreachable

T = TypeVar("T")

_HEAD_BYTES_MAX = 64 << 10
_READ_BYTES = 32 << 10
_IDLE_MAX = 8

_Answer = tuple[int, Mapping[str, str], bytes]  # status, headers by their names in lower case, content


class Wire:
    """Runs calls, each once, and at the same time on as many connections as it takes, which are kept for the next ones.

    timeout: seconds, of one call and beside what the server may wait on purpose.
    """

    def __init__(self, url: str | None, *, key: str | None, verify: Verify, timeout: float = 30.0):
        url, headers = server_address(url, key)
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._verify = verify if parts.scheme == "https" else None
        self._tls: ssl.SSLContext | None = None
        self._prefix = parts.path.rstrip("/")
        fixed = {"Host": parts.netloc.rpartition("@")[2], "User-Agent": "deferd-python", **headers}
        self._fixed = "".join(f"{name}: {value}\r\n" for name, value in fixed.items())
        self._timeout = timeout
        self._idle: list[_Connection] = []

    async def run(self, call: Call[T]) -> T:
        """Raises ApiError and Unreachable."""
        request = self._request(call)
        while True:
            kept = bool(self._idle)
            connection = self._idle.pop() if kept else await self._connect()
            try:
                status, headers, content = await connection.exchange(request, self._timeout + call.waits)
            except _Closed:
                if kept:
                    continue  # the server had closed it, which crossed our request
                raise Unreachable("the connection was closed without an answer", sent=True) from None
            except (OSError, asyncio.TimeoutError, ValueError) as error:
                raise Unreachable(f"{type(error).__name__}: {error}", sent=True) from error
            finally:
                if not connection.is_free:
                    connection.close()
            if connection.is_free and len(self._idle) < _IDLE_MAX:
                self._idle.append(connection)
            else:
                connection.close()
            return read_answer(call, status, headers, content)

    async def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _request(self, call: Call[T]) -> bytes:
        content, kind = call.content or b"", ""
        if call.json is not None:
            content, kind = json.dumps(call.json, separators=(",", ":")).encode(), "Content-Type: application/json\r\n"
        path = f"{self._prefix}{call.path}" + (f"?{urlencode(call.params)}" if call.params else "")
        head = f"{call.method} {path} HTTP/1.1\r\n{self._fixed}{kind}Content-Length: {len(content)}\r\n\r\n"
        return head.encode("latin-1") + content

    async def _connect(self) -> _Connection:
        if self._verify is not None and self._tls is None:
            self._tls = trust(self._verify)
        try:
            _, connection = await asyncio.wait_for(
                asyncio.get_running_loop().create_connection(lambda: _Connection(self._idle), self._host, self._port, ssl=self._tls),
                self._timeout)
        except (OSError, asyncio.TimeoutError) as error:
            raise Unreachable(f"{type(error).__name__}: {error}", sent=False) from error
        return connection


class _Closed(Exception):
    """The connection is closed, and not a byte of an answer was there."""


class _Connection(asyncio.BufferedProtocol):
    """One request at a time."""

    def __init__(self, idle: list[_Connection]):
        self._idle = idle
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[_Answer] | None = None
        self._read = bytearray(_READ_BYTES)  # asyncio's own is 256 KiB, made and unmapped for each read
        self._parser = httptools.HttpResponseParser(self)
        self._received = False  # something of an answer
        self._headers: dict[str, str] = {}
        self._head_bytes = 0
        self._content: list[bytes] | None = None  # not before the head is read
        self._stays = True

    @property
    def is_free(self) -> bool:
        """For the next request."""
        return self._waiting is None and self._stays

    async def exchange(self, request: bytes, timeout: float) -> _Answer:
        """Raises _Closed, OSError, TimeoutError, and ValueError for an answer that is no HTTP."""
        if self._transport is None or self._transport.is_closing():
            raise _Closed()
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[_Answer] = loop.create_future()
        self._waiting = waiting
        self._transport.write(request)
        timer = loop.call_later(timeout, self._fail, asyncio.TimeoutError(f"no answer within {timeout:g}s"))
        try:
            return await waiting
        finally:
            timer.cancel()

    def close(self) -> None:
        self._stays = False
        if self._transport is not None:
            self._transport.abort()

    # ---- Called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._read

    def buffer_updated(self, nbytes: int) -> None:
        self._received = True
        try:
            if self._waiting is None:
                raise ValueError("nothing was asked for")
            self._parser.feed_data(memoryview(self._read)[:nbytes])
        except (ValueError, httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(ValueError(f"this is no answer in HTTP/1.1: {error.__context__ or error}"))

    def connection_lost(self, error: Exception | None) -> None:
        self._stays = False
        if self in self._idle:
            self._idle.remove(self)
        if self._ends_with_connection() and error is None:
            self._answer()
        elif not self._received:
            self._fail(_Closed())
        else:
            self._fail(error or ConnectionError("the connection was closed within an answer"))

    # ---- Called by the parser

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > _HEAD_BYTES_MAX:
            raise ValueError("its head is too long")
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._content = []

    def on_body(self, body: bytes) -> None:
        assert self._content is not None
        self._content.append(body)

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() < 200:  # 100 Continue, 103 Early Hints: the answer is still to come
            self._forget()
            return
        self._stays = self._parser.should_keep_alive()
        self._answer()

    # ----

    def _fail(self, error: Exception) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_exception(error)
        self.close()

    def _answer(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_result((self._parser.get_status_code(), self._headers, b"".join(self._content or [])))
        self._forget()

    def _forget(self) -> None:
        self._received = False
        self._headers = {}
        self._head_bytes = 0
        self._content = None

    def _ends_with_connection(self) -> bool:
        framed = "content-length" in self._headers or "transfer-encoding" in self._headers
        return self._content is not None and not framed
