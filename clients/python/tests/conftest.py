"""A real deferd for the tests, on a free port and in memory; and a server that answers as a test says."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from deferd import Client, DeferdError

DEFERD = os.environ.get("DEFERD_BINARY", str(Path(__file__).resolve().parents[3] / "build/bin/deferd"))


class Server:
    """deferd on a free port, which it has again when it is started again."""

    def __init__(self, log: Path, *flags: str):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._address = f"127.0.0.1:{probe.getsockname()[1]}"
        self.url = f"http://{self._address}"
        self._flags = flags
        self._log = log
        self.start()

    def start(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DEFERD_")}
        with open(self._log, "ab") as out:
            self._process = subprocess.Popen([DEFERD, "--listen", self._address, *self._flags], stdout=out, stderr=out, env=environment)
        with Client(self.url, attempts=1) as client:
            deadline = time.monotonic() + 30
            while True:
                try:
                    client.check_ready()
                    return
                except DeferdError:
                    assert self._process.poll() is None and time.monotonic() < deadline, self._log.read_text()
                    time.sleep(0.01)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = Server(tmp_path_factory.mktemp("deferd") / "log", "--store", "memory")
    yield server.url
    server.kill()


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url) as client:
        yield client


@pytest.fixture
def queue(client: Client, request: pytest.FixtureRequest) -> str:
    """A pull queue of this test alone."""
    name = str(request.node.name).replace("_", "-").replace("[", "-").replace("]", "")
    client.put_queue(name, mode="pull")
    return name


@pytest.fixture
def closed_url() -> str:
    """Where no server is."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


WORKER_PLACES = 4
SIGNING_KEY = "the tests' own key, which is no secret"


class Worker:
    """A worker without a sandbox, for jobs.py."""

    def __init__(self, url: str, queue: str, log: Path, *flags: str, module: str = "jobs"):
        self.log = log
        here = Path(__file__).parent
        path = os.pathsep.join([str(here), str(here.parent / "src")])
        with open(log, "ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "deferd.worker", "--unsandboxed", "--server", url, "--queue", queue,
                 "--concurrency", str(WORKER_PLACES), *flags, module],
                stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True,
                env=os.environ | {"PYTHONPATH": path, "DEFERD_SIGNING_KEY": SIGNING_KEY})

    def send_signal(self, number: int) -> None:
        self.process.send_signal(number)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@pytest.fixture(scope="session")
def worker(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The queue of a worker that all tests share."""
    with Client(url) as client:
        client.put_queue("shared", mode="pull", retry={"min_backoff": "10ms"})
    worker = Worker(url, "shared", tmp_path_factory.mktemp("worker") / "log")
    yield "shared"
    alive = worker.process.poll() is None
    worker.stop()
    assert alive, worker.log.read_text()


@pytest.fixture
def make_worker(url: str, tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    made: list[Worker] = []

    def make(queue: str, *flags: str, module: str = "jobs") -> Worker:
        made.append(Worker(url, queue, tmp_path / "worker.log", *flags, module=module))
        return made[-1]

    yield make
    for worker in made:
        worker.stop()


class Scripted:
    """Answers calls one after the other as `answers` says: a status, headers and a body, or None to hang up."""

    def __init__(self, *answers: tuple[int, dict[str, str], bytes] | None):
        self.answers = list(answers)
        self.calls: list[str] = []
        self.server = HTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        script = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                script.calls.append(f"{self.command} {self.path}")
                self.rfile.read(int(self.headers.get("content-length", 0)))
                answer = script.answers.pop(0)
                if answer is None:
                    self.close_connection = True
                    return
                status, headers, body = answer
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_DELETE = answer

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@pytest.fixture
def scripted() -> Iterator[Callable[..., Scripted]]:
    made: list[Scripted] = []

    def make(*answers: tuple[int, dict[str, str], bytes] | None) -> Scripted:
        made.append(Scripted(*answers))
        return made[-1]

    yield make
    for script in made:
        script.server.shutdown()
        script.server.server_close()
