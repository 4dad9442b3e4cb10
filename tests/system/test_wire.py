"""gRPC on the one port under what clients should not do and networks will. Afterwards the process answers, and has given back what
it took."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import random
import ssl

import pytest
from harness import make_certificate, wait_until
from http2 import CANCELLED, DEADLINE_EXCEEDED, OK, RESOURCE_EXHAUSTED, Connection, create_task, frame, message

CREATE = "/google.cloud.tasks.v2.CloudTasks/CreateTask"
GET = "/google.cloud.tasks.v2.CloudTasks/GetQueue"
QUEUE = "projects/default/locations/local/queues/wire"
TASK = create_task(QUEUE, "http://127.0.0.1:9/never")


# A sanitizer's allocator holds on to more.
SPARE = 3 if os.environ.get("SANITIZED") else 1


class Use:
    """What the process holds: sockets (the store opens and closes files as it likes) and resident memory."""

    def __init__(self, server):
        self.folder = f"/proc/{server.process.pid}"

    def sockets(self) -> int:
        return sum(link.startswith("socket:") for link in map(self._link, os.listdir(self.folder + "/fd")))

    def _link(self, fd: str) -> str:
        try:
            return os.readlink(f"{self.folder}/fd/{fd}")
        except FileNotFoundError:  # closed meanwhile
            return ""

    def megabytes(self) -> float:
        with open(self.folder + "/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:")) / 1024


@pytest.fixture(params=["plain", "tls"])
def server(make_server, request, tmp_path):
    flags, tls = [], None
    if request.param == "tls":
        cert, key = make_certificate(tmp_path / "tls")
        flags = ["--tls-cert", str(cert), "--tls-key", str(key)]
        tls = ssl.create_default_context(cafile=str(cert))
        tls.set_alpn_protocols(["h2"])
    server = make_server("--idle-timeout", "2s", "--slow-timeout", "2s", "--request-bytes-max", "1MiB", *flags,
                         tls=ssl.create_default_context(cafile=str(cert)) if tls else None)
    server.client.put("/v1/queues/wire", {"rate": "0/s"})
    server.h2 = lambda: Connection(server.port, tls)
    return server


@pytest.fixture
def use(server):
    """Checks at the end that what the test made the server take was given back."""
    for _ in range(3):  # what a first call makes and keeps
        connection = server.h2()
        assert connection.settle([connection.call(CREATE, TASK)]) == [OK]
        connection.close()
    server.client.close()
    use = Use(server)
    listening = 1
    wait_until(lambda: use.sockets() == listening, "the first connections to end")
    yield use
    assert server.alive(), server.log()[-2000:]
    connection = server.h2()
    assert connection.settle([connection.call(CREATE, TASK)]) == [OK]
    connection.close()
    server.client.close()
    wait_until(lambda: use.sockets() == listening, "all connections to end", 20)
    assert server.stop() == 0, server.log()[-4000:]  # nothing leaked, where a sanitizer looks


def tasks(server) -> int:
    return server.client.stats("wire")["tasks"]


def test_ten_thousand_calls_at_once(server, use):
    connections = [server.h2() for _ in range(20)]
    before = tasks(server)
    rss = use.megabytes()
    streams = [[connection.open(CREATE) for _ in range(500)] for connection in connections]
    for connection, opened in zip(connections, streams):
        for stream in opened:
            connection.say(stream, message(TASK))
    for connection, opened in zip(connections, streams):
        assert connection.settle(opened) == [OK] * 500
    assert tasks(server) == before + 10_000
    for connection in connections:
        connection.close()
    wait_until(lambda: use.megabytes() < rss + 150 * SPARE, f"memory to fall from {use.megabytes():.0f} to {rss:.0f} MB", 20)


def test_messages_that_are_too_large_are_refused(server, use):
    connection = server.h2()
    assert connection.settle([connection.call(CREATE, b"x" * (2 << 20))]) == [RESOURCE_EXHAUSTED]
    assert connection.settle([connection.call(CREATE, TASK)]) == [OK]
    connection.close()


def test_memory_for_messages_that_never_end_is_bounded(server, use):
    """gRPC collects a message whole before it looks how long it is; what all of them may hold together is bounded."""
    def flood() -> None:
        connection = server.h2()
        connection.socket.settimeout(3)
        stream = connection.open(CREATE)
        with contextlib.suppress(TimeoutError):  # it takes no more
            connection.say(stream, b"\0" + (1 << 30).to_bytes(4, "big") + b"x" * (40 << 20), end=False)
        most.append(use.megabytes())
        connection.close()

    most, before = [], use.megabytes()
    with concurrent.futures.ThreadPoolExecutor(10) as floods:
        for one in [floods.submit(flood) for _ in range(10)]:
            one.result()
    # gRPC may hold 256 MiB (eight times request_bytes_max); all ten messages are 400.
    assert max(most) < before + 330 * SPARE


def test_a_storm_of_tiny_deadlines(server, use):
    """What was answered was made, and nothing was made twice. What was not answered may have been: its deadline passed later."""
    dice = random.Random(int(os.environ.get("DEFERD_SEED", "1")))
    connections = [server.h2() for _ in range(4)]
    before = tasks(server)
    made = 0
    for connection in connections:
        streams = [connection.call(CREATE, TASK, timeout=f"{dice.randrange(1, 20_000)}u") for _ in range(1000)]
        statuses = connection.settle(streams)
        assert set(statuses) <= {OK, CANCELLED, DEADLINE_EXCEEDED, -1}, set(statuses)
        made += statuses.count(OK)
    assert before + made <= tasks(server) <= before + 4000
    for connection in connections:
        connection.close()


def test_clients_that_vanish_in_the_middle_of_calls(server, use):
    dice = random.Random(int(os.environ.get("DEFERD_SEED", "1")))
    for _ in range(200):
        connection = server.h2()
        for _ in range(dice.randrange(1, 20)):
            stream = connection.open(CREATE)
            if dice.random() < 0.5:
                connection.say(stream, message(TASK)[:dice.randrange(1, 40)], end=False)
            else:
                connection.say(stream, message(TASK))
        connection.reset() if dice.random() < 0.7 else connection.close()


def test_garbage_after_the_preface(server, use):
    dice = random.Random(int(os.environ.get("DEFERD_SEED", "1")))
    for _ in range(50):
        connection = server.h2()
        connection.send(frame(dice.randrange(12), dice.randrange(256), dice.randrange(8), dice.randbytes(dice.randrange(200))))
        connection.send(dice.randbytes(100))
        while not connection.gone:
            connection.read()
        connection.close()


def test_connections_that_say_nothing_end(server, use):
    """Idle ones, and those whose peer no longer answers while a call is open."""
    idle = [server.h2() for _ in range(50)]
    mute = server.h2()
    mute.answers_pings = False
    mute.open(GET)
    for connection in [*idle, mute]:
        connection.socket.settimeout(20)
        while not connection.gone:
            connection.read()
        connection.close()
