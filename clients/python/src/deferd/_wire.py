"""HTTP/1.1 on an event loop, for the calls of executors: those are many and small, and what httpx does around one (which is for all
that HTTP can be) takes several times as long as all the rest of a call.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import urlencode, urlsplit

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
        self._received = bytearray()
        self._head: tuple[int, dict[str, str]] | None = None
        self._length: int | None = None  # of the content; None: it ends with the connection
        self._chunks: list[bytes] | None = None  # of a chunked one
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
        self._received += memoryview(self._read)[:nbytes]
        try:
            if self._waiting is None:
                raise ValueError("an answer that nothing was asked for")
            if self._head is None:
                self._read_head()
            if self._head is not None:
                self._read_content()
        except (ValueError, IndexError) as error:
            self._fail(ValueError(f"this is no answer in HTTP/1.1: {error}"))

    def connection_lost(self, error: Exception | None) -> None:
        self._stays = False
        if self in self._idle:
            self._idle.remove(self)
        if self._head is not None and self._length is None and self._chunks is None and error is None:
            self._answer(bytes(self._received))
        elif self._head is None and not self._received:
            self._fail(_Closed())
        else:
            self._fail(error or ConnectionError("the connection was closed within an answer"))

    # ----

    def _fail(self, error: Exception) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_exception(error)
        self.close()

    def _answer(self, content: bytes) -> None:
        assert self._head is not None
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_result((*self._head, content))
        self._head = None

    def _read_head(self) -> None:
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            first, *lines = self._received[:end].decode("latin-1").split("\r\n")
            del self._received[:end + 4]
            version, status = first.split(" ", 2)[:2]
            if not version.startswith("HTTP/1."):
                raise ValueError(first)
            if status.startswith("1"):
                continue  # 100 Continue, 103 Early Hints: the answer is still to come
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            self._head = (int(status), headers)
            self._chunks = [] if headers.get("transfer-encoding", "").lower() == "chunked" else None
            length = "0" if status in ("204", "304") else headers.get("content-length")
            self._length = None if length is None or self._chunks is not None else _size(length, 10)
            ends = self._length is None and self._chunks is None
            self._stays = not ends and version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
            return
        if len(self._received) > _HEAD_BYTES_MAX:
            raise ValueError("its head is too long")

    def _read_content(self) -> None:
        if self._chunks is not None:
            self._read_chunks(self._chunks)
        elif self._length is not None and len(self._received) >= self._length:
            content = bytes(self._received[:self._length])
            del self._received[:self._length]
            self._answer(content)

    def _read_chunks(self, chunks: list[bytes]) -> None:
        while (line := self._received.find(b"\r\n")) >= 0:
            size = _size(self._received[:line].partition(b";")[0].decode("latin-1"), 16)
            end = line + 2 + size
            if size == 0:
                # What may follow are trailers, up to an empty line.
                last = self._received.find(b"\r\n\r\n", line)
                if last >= 0:
                    del self._received[:last + 4]
                    self._answer(b"".join(chunks))
                return
            if len(self._received) < end + 2:
                return
            chunks.append(bytes(self._received[line + 2:end]))
            del self._received[:end + 2]


def _size(text: str, base: int) -> int:
    size = int(text, base)
    if size < 0:
        raise ValueError(f"a size of {text}")
    return size
