"""The HTTP of executors, against servers that answer byte by byte as a test says."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from deferd import Client, Executor, ServerError, Unreachable
from deferd._calls import Call
from deferd._wire import Wire

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]
READ: Call[Any] = Call("POST", "/things", lambda raw: raw, json={"a": "b"}, params={"wait": "1s"})


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return head + await reader.readexactly(length)


class Server:
    """Gives the next of `answers` to each request; None hangs up instead."""

    def __init__(self, *answers: bytes | None, pieces: int = 1 << 20, tls: ssl.SSLContext | None = None):
        self.answers = list(answers)
        self.requests: list[bytes] = []
        self.connections = 0
        self._pieces = pieces
        self._tls = tls

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/prefix"

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while self.answers:
                self.requests.append(await read_request(reader))
                answer = self.answers.pop(0)
                if answer is None:
                    break
                for at in range(0, len(answer), self._pieces):
                    writer.write(answer[at:at + self._pieces])
                    await writer.drain()
                    await asyncio.sleep(0)
        except asyncio.IncompleteReadError:
            pass
        writer.close()


async def ask(url: str, times: int = 1, call: Call[Any] = READ, **options: Any) -> list[Any]:
    wire = Wire(url, key="secret", **{"verify": True, **options})
    try:
        return [await wire.run(call) for _ in range(times)]
    finally:
        await wire.close()


def run(server: Server, times: int = 1, **options: Any) -> list[Any]:
    async def main() -> list[Any]:
        async with server as url:
            return await ask(url, times, **options)

    return asyncio.run(main())


JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"x\":1}"
CHUNKED = (b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
           b"3\r\n{\"x\r\n4;name=value\r\n\":1}\r\n0\r\nTrailer: yes\r\n\r\n")
EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + JSON
TO_THE_END = b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{\"x\":1}"


@pytest.mark.parametrize("pieces", [1, 3, 1 << 20])
@pytest.mark.parametrize("answer", [JSON, CHUNKED, EARLY])
def test_an_answer_is_read_however_it_comes(answer: bytes, pieces: int) -> None:
    server = Server(answer, JSON, pieces=pieces)
    assert run(server, 2) == [{"x": 1}, {"x": 1}]
    assert server.connections == 1, "which is kept for the next call"
    assert server.requests[0].startswith(b"POST /prefix/things?wait=1s HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nAuthorization: Bearer secret\r\n" in server.requests[0] and server.requests[0].endswith(b'\r\n\r\n{"a":"b"}')


def test_an_answer_that_ends_with_its_connection() -> None:
    assert run(Server(TO_THE_END)) == [{"x": 1}]


def test_a_connection_that_the_server_gave_up_meanwhile_is_made_anew() -> None:
    server = Server(JSON, None, JSON)
    assert run(server, 2) == [{"x": 1}, {"x": 1}]
    assert server.connections == 2


def test_a_connection_that_the_server_will_close_is_not_used_again() -> None:
    server = Server(JSON.replace(b"\r\n", b"\r\nConnection: close\r\n", 1), JSON)
    assert run(server, 2) == [{"x": 1}, {"x": 1}]
    assert server.connections == 2


@pytest.mark.parametrize("answer", [None, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", b"SSH-2.0-OpenSSH\r\n\r\n",
                                    b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
                                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000])
def test_what_is_no_answer_is_told_as_such(answer: bytes | None) -> None:
    with pytest.raises(Unreachable) as told:
        run(Server(answer))
    assert told.value.sent


@pytest.mark.parametrize("url", ["localhost:8123", "http://", "ftp://127.0.0.1"])
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    for make in (lambda: Executor(url=url), lambda: Client(url)):
        with pytest.raises(ValueError, match="give one like http://127.0.0.1:8123"):
            make()


def test_a_key_that_is_none_is_refused_and_not_shown() -> None:
    for key in ("secret\n", "secret\r\nX: y", "s\u20accret"):
        with pytest.raises(ValueError, match="printable ASCII") as refused:
            Executor(key=key)
        assert key not in str(refused.value)


def test_no_answer_in_time() -> None:
    async def main() -> None:
        async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        server = await asyncio.start_server(wait, "127.0.0.1", 0)
        with pytest.raises(Unreachable, match="no answer within 0.05s"):
            await ask(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", timeout=0.05)
        server.close()

    asyncio.run(main())


def test_where_nobody_listens(closed_url: str) -> None:
    with pytest.raises(Unreachable) as told:
        asyncio.run(ask(closed_url))
    assert not told.value.sent


def test_an_answer_that_is_not_the_servers() -> None:
    with pytest.raises(ServerError, match="HTTP 502: <html>"):
        run(Server(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\n<html>"))


def test_a_call_that_is_given_up_leaves_its_connection_to_none() -> None:
    server = Server(JSON[:-1], JSON)

    async def main() -> None:
        async with server as url:
            wire = Wire(url, key=None, verify=True)
            abandoned = asyncio.create_task(wire.run(READ))
            while not server.requests:
                await asyncio.sleep(0.001)
            abandoned.cancel()
            assert await wire.run(READ) == {"x": 1}
            await wire.close()

    asyncio.run(main())
    assert server.connections == 2


def test_tls_trusts_what_it_is_told(tmp_path: Path) -> None:
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
                    "subjectAltName=IP:127.0.0.1", "-keyout", tmp_path / "key", "-out", tmp_path / "certificate"],
                   check=True, capture_output=True)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(tmp_path / "certificate", tmp_path / "key")
    assert run(Server(JSON, tls=tls), verify=str(tmp_path / "certificate")) == [{"x": 1}]
    assert run(Server(JSON, tls=tls), verify=False) == [{"x": 1}]
    with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED") as told:
        run(Server(JSON, tls=tls))
    assert not told.value.sent
