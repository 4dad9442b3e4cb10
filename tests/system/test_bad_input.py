"""Callers that are wrong, slow, rude or many: each gets told, none ends the process or a good call beside it."""

from __future__ import annotations

import json
import resource
import socket
import threading
import time

import pytest
from harness import Client, Refused, wait_until

TASKS = "/v1/queues/default/tasks"
URL = "http://127.0.0.1:9/"


@pytest.fixture(autouse=True)
def still_fine(server):
    """After every test of this file the same process still takes a task in."""
    process = server.process
    yield
    assert server.process is process and server.alive()
    client = Client(server.port)
    client.put("/v1/queues/fine", {"mode": "pull"})
    assert client.add("fine", body="x")["id"]


def refused(client: Client, method: str, path: str, body) -> Refused:
    with pytest.raises(Refused) as caught:
        client.call(method, path, body)
    error = caught.value.error
    assert error["code"] == caught.value.status
    assert error["status"] and error["message"]
    return caught.value


@pytest.mark.parametrize(
    "body, field",
    [
        ({"url": URL, "colour": "blue"}, "colour"),
        ({"url": 7}, "url"),
        ({}, "url"),
        ({"url": "nonsense"}, "url"),
        ({"url": "ftp://127.0.0.1/"}, "url"),
        ({"url": "http://user:password@127.0.0.1/"}, "url"),
        ({"url": URL, "headers": {"X-A": "a\r\nX-B: b"}}, "headers"),
        ({"url": URL, "headers": {"Connection": "close"}}, "headers"),
        ({"url": URL, "headers": {"Transfer-Encoding": "chunked"}}, "headers"),
        ({"url": URL, "headers": {"Host": "example.com"}}, "headers"),
        ({"url": URL, "headers": {"": "a"}}, "headers"),
        ({"url": URL, "method": "FETCH"}, "method"),
        ({"url": URL, "priority": 10}, "priority"),
        ({"url": URL, "priority": -1}, "priority"),
        ({"url": URL, "delay": "-1s"}, "delay"),
        ({"url": URL, "delay": "20000d"}, "delay"),
        ({"url": URL, "delay": "soon"}, "delay"),
        ({"url": URL, "eta": "tomorrow"}, "eta"),
        ({"url": URL, "delay": "1s", "eta": "2027-01-01T00:00:00Z"}, ""),
        ({"url": URL, "body": "a", "json": {}}, ""),
        ({"url": URL, "body_base64": "!"}, "body_base64"),
        ({"url": URL, "name": "a b"}, "name"),
        ({"url": URL, "name": "0" * 20}, "name"),
        ({"url": URL, "name": "x" * 501}, "name"),
        ({"url": URL, "key": "k" * 501}, "key"),
        ({"url": URL, "timeout": "0s"}, "timeout"),
        ({"url": URL, "retry": {"max_attempts": 0}}, "retry"),
        ([], ""),
        ("text", ""),
        (None, ""),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else json.dumps(value)[:40],
)
def test_a_wrong_task_is_told_which_member_is_wrong(client, body, field):
    error = refused(client, "POST", TASKS, body) if body is not None else None
    if error is None:
        status, _, raw = client.raw("POST", TASKS, b"")
        assert status == 400, raw
        return
    assert error.status == 400
    if field:
        assert error.error["field"].startswith(field)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"url":"http://a/"} trailing',
        b'{"url":"http://a/","url":"http://b/"}',
        b'{"url":"http://a/\xff\xfe"}',
        b'\xef\xbb\xbf{"url":"http://a/"}',
        b"[" * 100_000,
        b'{"json":' + b"[" * 5_000 + b"]" * 5_000 + b',"url":"http://a/"}',
        b'{"priority":1e999,"url":"http://a/"}',
        b"\x00",
    ],
    ids=["open", "trailing", "key-twice", "utf8", "bom", "deep", "deep-value", "huge-number", "zero"],
)
def test_what_is_not_json_is_refused(client, body):
    status, _, raw = client.raw("POST", TASKS, body, {"Content-Type": "application/json"})
    assert status == 400, raw
    assert json.loads(raw)["error"]["message"]


def test_missing_things_are_404_and_say_what_to_do(client):
    missing = refused(client, "GET", "/v1/queues/nope", None)
    assert missing.status == 404
    assert "PUT" in missing.error["message"] or "queues set" in missing.error["message"]
    assert refused(client, "POST", "/v1/queues/nope/tasks", {"url": URL}).status == 404
    assert refused(client, "GET", TASKS + "/" + "0" * 19 + "1", None).status == 404
    assert refused(client, "GET", "/v1/nothing", None).status == 404
    assert client.raw("PATCH", "/v1/queues/default")[0] in (404, 405)
    assert refused(client, "PUT", "/v1/queues/a%20b", {}).status == 400


def test_batches_and_leases_have_bounds(client):
    assert refused(client, "POST", TASKS + ":batch", {"tasks": [{"url": URL}] * 1001}).status == 400
    client.put("/v1/queues/work", {"mode": "pull"})
    for body in ({"max": 1001}, {"max": 0}, {"max": 1, "lease": "8d"}, {"max": 1, "wait": "2h"}, {"max": "many"}):
        assert refused(client, "POST", "/v1/queues/work/tasks:lease", body).status == 400
    assert refused(client, "POST", TASKS + ":lease", {"max": 1}).status in (400, 409)


def test_a_full_queue_says_which_limit(client):
    client.put("/v1/queues/small", {"mode": "pull", "max_tasks": 2})
    client.add("small", body="1")
    client.add("small", body="2")
    full = refused(client, "POST", "/v1/queues/small/tasks", {"body": "3"})
    assert full.status == 429
    assert "max_tasks" in full.error["message"]
    client.put("/v1/queues/thin", {"mode": "pull", "max_bytes": 1000})
    fat = refused(client, "POST", "/v1/queues/thin/tasks", {"body": "x" * 2000})
    assert fat.status == 429
    assert "max_bytes" in fat.error["message"]


def connect(server, timeout: float = 10.0) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=timeout)


def read_all(connection: socket.socket) -> bytes:
    data = b""
    try:
        while chunk := connection.recv(65536):
            data += chunk
    except ConnectionResetError:
        pass
    return data


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(server):
    with connect(server) as connection:
        connection.sendall(b"POST " + TASKS.encode() + b" HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n")
        assert b" 413 " in connection.recv(65536)


def test_a_chunked_body_that_grows_too_large_is_refused_while_reading(make_server):
    server = make_server("--request-bytes-max", "64KiB", "--task-bytes-max", "64KiB", name="small")
    with connect(server) as connection:
        connection.sendall(b"POST " + TASKS.encode() + b" HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(64):
                connection.sendall(b"1000\r\n" + b"x" * 4096 + b"\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert b" 413 " in read_all(connection)


@pytest.mark.parametrize(
    "head",
    [
        b"NONSENSE\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET / HTTP/1.1\r\n folded: a\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100,
    ],
    ids=["words", "version", "negative-length", "two-lengths", "length-and-chunks", "space-in-name", "folded", "long-path",
         "many-headers", "tls"],
)
def test_what_is_not_http_gets_a_4xx_or_the_door(server, head):
    with connect(server) as connection:
        try:
            connection.sendall(head)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        answer = read_all(connection)
        assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 505")), answer[:100]


def test_a_half_closed_connection_still_gets_its_answer(server):
    body = json.dumps({"url": "http://127.0.0.1:9/", "delay": "1h"}).encode()
    with connect(server) as connection:
        connection.sendall(b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (TASKS.encode(), len(body)) + body)
        connection.shutdown(socket.SHUT_WR)
        assert b" 201 " in read_all(connection)


def test_slow_callers_are_cut_off_and_good_ones_beside_them_are_not(make_server):
    server = make_server("--slow-timeout", "1s", name="slow")
    client = server.client
    client.put("/v1/queues/work", {"mode": "pull"})
    slow = [connect(server, timeout=20) for _ in range(50)]
    for i, connection in enumerate(slow):
        if i % 2:
            connection.sendall(b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n{" % TASKS.encode())
        else:
            connection.sendall(b"GET /v1/que")
    ended: list[float] = []
    begun = time.monotonic()

    def drip(connection: socket.socket):
        try:
            while True:
                connection.sendall(b"a")
                connection.settimeout(0.2)
                try:
                    if connection.recv(1) == b"":
                        break
                    connection.settimeout(5)
                    read_all(connection)
                    break
                except TimeoutError:
                    pass
        except OSError:
            pass
        ended.append(time.monotonic() - begun)

    threads = [threading.Thread(target=drip, args=(connection,)) for connection in slow]
    for thread in threads:
        thread.start()
    slowest = 0.0
    while any(thread.is_alive() for thread in threads):
        assert time.monotonic() - begun < 30, f"only {len(ended)} of {len(slow)} were cut off"
        call_begun = time.monotonic()
        client.add("work", body="good")
        slowest = max(slowest, time.monotonic() - call_begun)
    assert max(ended) < 10
    assert slowest < 1
    for connection in slow:
        connection.close()


def test_ten_thousand_idle_connections_cost_a_good_caller_nothing(server, client):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 10_000
    if hard < wanted + 500:
        pytest.skip(f"only {hard} files may be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    idle = []
    try:
        for i in range(wanted):
            idle.append(connect(server))
        client.put("/v1/queues/work", {"mode": "pull"})
        begun = time.monotonic()
        for _ in range(50):
            client.add("work", body="x")
        assert time.monotonic() - begun < 10
    finally:
        for connection in idle:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_bad_requests_beside_good_ones(server):
    """Ten callers send rubbish while ten others work; every good call succeeds."""
    good = Client(server.port)
    good.put("/v1/queues/work", {"mode": "pull"})
    over = threading.Event()
    rubbish = [b"\x00" * 10, b"GET / HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n{", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]

    def rude(n: int):
        while not over.is_set():
            try:
                with connect(server, timeout=1) as connection:
                    connection.sendall(rubbish[n % len(rubbish)])
            except OSError:
                pass

    stored: list[str] = []

    def polite():
        client = Client(server.port)
        for _ in range(50):
            stored.append(client.add("work", body="x")["id"])
        client.close()

    rude_ones = [threading.Thread(target=rude, args=(i,)) for i in range(10)]
    polite_ones = [threading.Thread(target=polite) for _ in range(10)]
    for thread in rude_ones + polite_ones:
        thread.start()
    for thread in polite_ones:
        thread.join(60)
    over.set()
    for thread in rude_ones:
        thread.join(10)
    assert len(set(stored)) == 500
    wait_until(lambda: good.stats("work")["tasks"] == 500, "all of them")


def test_a_payload_or_header_value_is_never_logged(server, client):
    client.put("/v1/queues/q", {"retry": {"max_attempts": 1}})
    client.add("q", url="http://127.0.0.1:9/", body="secret-body-7391", headers={"Authorization": "secret-header-7391"})
    client.raw("POST", TASKS, b'{"url":"http://a/","body":"secret-body-7391","x":')
    wait_until(lambda: client.stats("q")["dropped_total"] == 1, "the attempt to fail")
    assert "7391" not in server.log()
