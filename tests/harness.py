"""What every whole-system test needs: a real deferd, a caller, and a target that pushes go to.

Nothing here sleeps for luck: wait_until() polls a condition with a deadline and says what it waited for. Processes are
ended by their id. Used by tests/system and tests/crash; standard library only.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEFERD = Path(os.environ.get("DEFERD_BINARY", ROOT / "build/bin/deferd"))
DEFER = Path(os.environ.get("DEFER_BINARY", ROOT / "build/bin/defer"))


def wait_until(condition: Callable[[], object], what: str, seconds: float = 10.0):
    """The first true value of condition(); fails with `what` when none comes in time."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(0.005)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def clean_environment(**extra: str) -> dict[str, str]:
    """Ours without DEFERD_*: every such variable is a setting to deferd, and an unknown one an error."""
    return {k: v for k, v in os.environ.items() if not k.startswith("DEFERD_")} | extra


def make_certificate(folder: Path, name: str = "127.0.0.1") -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and localhost that signs itself, and its key, written anew when they are there."""
    folder.mkdir(parents=True, exist_ok=True)
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
                    "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
                    "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    return cert, key


class Refused(Exception):
    """An answer that is not 2xx."""

    def __init__(self, status: int, body: object, headers: dict[str, str]):
        super().__init__(f"{status}: {body}")
        self.status = status
        self.headers = headers
        self.error = body.get("error", {}) if isinstance(body, dict) else {}


class Client:
    """One kept connection a thread; JSON in and out. `tls`, where the server speaks it, is what trusts the server's certificate."""

    def __init__(self, port: int, timeout: float = 30.0, tls: ssl.SSLContext | None = None):
        self.port = port
        self.timeout = timeout
        self.tls = tls
        self.key: str | None = None  # an API key, token or secret, shown with every call
        self._local = threading.local()

    def raw(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None):
        """(status, headers in lower case, body). A kept connection that the server has closed is made anew for GET alone."""
        if self.key is not None:
            headers = {"Authorization": f"Bearer {self.key}"} | (headers or {})
        fresh = getattr(self._local, "connection", None) is None
        if fresh:
            self._local.connection = (
                http.client.HTTPSConnection("127.0.0.1", self.port, timeout=self.timeout, context=self.tls) if self.tls
                else http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout))
        connection = self._local.connection
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
        except (OSError, http.client.HTTPException):
            self.close()
            if method == "GET" and not fresh:
                return self.raw(method, path, body, headers)
            raise

    def close(self):
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
        self._local.connection = None

    def call(self, method: str, path: str, body: object = None):
        """The JSON of a 2xx answer (None when empty); Refused for any other."""
        data = None if body is None else json.dumps(body).encode()
        headers = {} if body is None else {"Content-Type": "application/json"}
        status, answer_headers, raw = self.raw(method, path, data, headers)
        try:
            value = json.loads(raw) if raw else None
        except ValueError:
            value = raw
        if not 200 <= status <= 299:
            raise Refused(status, value, answer_headers)
        return value

    def get(self, path: str):
        return self.call("GET", path)

    def put(self, path: str, body: object):
        return self.call("PUT", path, body)

    def post(self, path: str, body: object | None = None):
        return self.call("POST", path, {} if body is None else body)

    def delete(self, path: str):
        return self.call("DELETE", path)

    def add(self, queue: str, **task):
        return self.post(f"/v1/queues/{queue}/tasks", task)

    def stats(self, queue: str):
        return self.get(f"/v1/queues/{queue}/stats")

    def tasks(self, queue: str, **query) -> list[dict]:
        """All tasks, page by page."""
        found: list[dict] = []
        token = None
        while True:
            words = dict(query, page_size=1000) | ({"page_token": token} if token else {})
            page = self.get(f"/v1/queues/{queue}/tasks?" + "&".join(f"{k}={v}" for k, v in words.items()))
            found += page["tasks"]
            token = page.get("next_page_token")
            if not token:
                return found


class Server:
    """A deferd process on a port and a data folder that outlive it, so that it can be killed and started again."""

    def __init__(self, folder: Path, *flags: str, port: int | None = None, tls: ssl.SSLContext | None = None):
        self.folder = folder
        self.data = folder / "data"
        self.port = port or free_port()
        self.flags = list(flags)
        self.environment: dict[str, str] = {}  # beside ours
        self.log_path = folder / "deferd.log"
        self.process: subprocess.Popen | None = None
        self.client = Client(self.port, tls=tls)

    def command(self) -> list[str]:
        return [str(DEFERD), "--data", str(self.data), "--listen", f"127.0.0.1:{self.port}", *self.flags]

    def start(self, seconds: float = 30.0) -> "Server":
        assert self.process is None, "already started"
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                            env=clean_environment(**self.environment))
        wait_until(self.ready, f"deferd to be ready (log: {self.log_path})", seconds)
        return self

    def ready(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"deferd ended with {self.process.returncode}:\n{self.log()[-2000:]}")
        try:
            return Client(self.port, timeout=5.0, tls=self.client.tls).raw("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def kill(self) -> None:
        """kill -9, and wait until the process is gone."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None
        self.client.close()

    def stop(self, seconds: float = 30.0) -> int:
        """SIGTERM; the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=seconds)
        self.process = None
        self.client.close()
        return status

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None


class Push:
    """One request that arrived at a Target."""

    __slots__ = ("method", "path", "headers", "body", "at", "lines", "closed_at")

    def __init__(self, method: str, path: str, headers: dict[str, str], body: bytes, lines: list[str]):
        self.method = method
        self.path = path
        self.headers = headers  # names in lower case
        self.body = body
        self.lines = lines  # those of the head, as sent
        self.at = time.monotonic()
        self.closed_at: float | None = None  # when the other side gave up, of one that hangs


class Answer:
    """What a Target says: a status and a body after `delay` seconds, or nothing ever (`hang`)."""

    def __init__(self, status: int = 200, headers: dict[str, str] | None = None, delay: float = 0.0, hang: bool = False,
                 body: bytes = b""):
        self.status = status
        self.body = body
        self.headers = headers or {}
        self.delay = delay
        self.hang = hang


class Target:
    """A small HTTP server on its own thread and event loop, fast enough to never be the limit of a test.

    `answer` is called with each Push on that thread and gives a status or an Answer.
    """

    def __init__(self, answer: Callable[[Push], int | Answer] = lambda push: 200, tls: ssl.SSLContext | None = None):
        self.answer = answer
        self.tls = tls
        self.pushes: list[Push] = []
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        started.wait()

    def url(self, path: str = "/") -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}{path}"

    def bodies(self) -> list[bytes]:
        return [push.body for push in self.pushes]

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=4096, limit=1 << 20, ssl=self.tls))
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        self._loop.run_forever()
        server.close()
        for writer in self._writers:
            writer.transport.abort()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                method, path, _ = head[0].split(" ", 2)
                headers = {}
                for line in head[1:]:
                    name, _, value = line.partition(":")
                    if name:
                        headers[name.lower()] = value.strip()
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                push = Push(method, path, headers, body, head)
                self.pushes.append(push)
                answer = self.answer(push)
                if not isinstance(answer, Answer):
                    answer = Answer(answer)
                if answer.hang:
                    await reader.read()  # until the other side gives up
                    push.closed_at = time.monotonic()
                    return
                if answer.delay:
                    await asyncio.sleep(answer.delay)
                lines = [f"HTTP/1.1 {answer.status} X", f"Content-Length: {len(answer.body)}"]
                lines += [f"{name}: {value}" for name, value in answer.headers.items()]
                writer.write(("\r\n".join(lines) + "\r\n\r\n").encode() + answer.body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError, asyncio.LimitOverrunError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()
