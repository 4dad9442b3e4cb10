"""Pushes to App Engine applications by the real server: routes that change while it runs, and tickets.

The calls are written by hand, field by field, so that these tests need nothing but Python; tests/appengine has the SDKs.
"""

from __future__ import annotations

import signal
import stat

import pytest
from harness import Server, wait_until

APP_ID = 11  # of TaskQueueAddRequest
OK, SECURITY_VIOLATION, PERMISSION_DENIED = 0, 3, 9


def varint(number: int) -> bytes:
    out = bytearray()
    while number >= 128:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out + bytes([number]))


def text(field: int, value: bytes | str) -> bytes:
    value = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(value)) + value


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def group(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 3) + content + varint(field << 3 | 4)


def fields(data: bytes) -> dict[int, bytes | int]:
    """The last value of each field of a flat message."""
    found: dict[int, bytes | int] = {}
    at = 0

    def read() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = read()
        if key & 7 == 2:
            size = read()
            found[key >> 3] = data[at:at + size]
            at += size
        else:
            assert key & 7 == 0, key
            found[key >> 3] = read()
    return found


def add(server: Server, url: str, *, queue: str = "default", host: str = "", ticket: str = "", app: str = "") -> int:
    """taskqueue.Add over /rpc_http: 0, or the code of the error."""
    request = text(1, queue) + text(2, "") + number(3, 0) + text(4, url) + number(5, 2)
    if host:
        request += group(6, text(7, "Host") + text(8, host))
    if app:
        request += text(APP_ID, app)
    envelope = text(2, "taskqueue") + text(3, "Add") + text(4, request)
    if ticket:
        envelope += text(5, ticket)
    status, _, body = server.client.raw("POST", "/rpc_http", envelope, {"Content-Type": "application/octet-stream"})
    assert status == 200
    response = fields(body)
    for error in (3, 5):  # application_error, rpc_error
        if error in response:
            return fields(response[error])[1]
    assert 1 in response
    return OK


def test_routes_change_while_the_server_runs(make_server, make_target, tmp_path):
    """GAE-145: the table of services, as deferd.yaml has it, and as SIGHUP finds it later."""
    front, worker, second = make_target(), make_target(), make_target()
    config = tmp_path / "deferd.yaml"

    def write(url: str) -> None:
        config.write_text(f"apps:\n  default:\n    hostname: shop.example.com\n    url: {front.url('')}\n"
                          f"    services:\n      worker: {url}\n")

    write(worker.url(""))
    server = make_server("--config", str(config))
    assert add(server, "/a?b=%2F", host="v1.worker.shop.example.com") == OK
    push = wait_until(lambda: worker.pushes and worker.pushes[0], "the push to the worker")
    assert push.path == "/a?b=%2F"
    assert push.headers["host"] == "v1.worker.shop.example.com"
    assert push.headers["x-appengine-default-version-hostname"] == "shop.example.com"
    assert add(server, "/b", host=f"127.0.0.1:{second.port}") == OK
    wait_until(lambda: front.pushes, "what has a foreign host, at the fallback")

    write(second.url(""))
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "reload.done" in server.log(), "the reload")
    assert server.client.get("/v1/config")["apps"]["value"]["default"]["services"] == {"worker": second.url("")}
    assert second.pushes == []
    assert add(server, "/c", host="worker.shop.example.com") == OK
    wait_until(lambda: second.pushes, "the push to the new place")

    config.write_text("apps:\n  default:\n    url: nowhere\n")
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "reload.failed" in server.log(), "the complaint")
    assert f"{config}:3:10: apps.default.url" in server.log()
    assert add(server, "/d", host="worker.shop.example.com") == OK
    wait_until(lambda: len(second.pushes) == 2, "a push by the table that stays in force")
    assert len(worker.pushes) == 1


def test_a_handler_calls_back_with_its_ticket_and_nobody_without(make_server, target):
    """GAE-149: with authentication on, the ticket of a push is good for calls of its application, and no other."""
    flags = ["--tickets", "open-sesame", "--app-url", target.url("")]
    server = make_server(*flags)
    assert add(server, "/a") == SECURITY_VIOLATION
    assert add(server, "/a", ticket="wrong") == SECURITY_VIOLATION
    assert add(server, "/a", ticket="open-sesame") == OK
    push = wait_until(lambda: target.pushes and target.pushes[0], "the push")
    ticket = push.headers["x-appengine-api-ticket"]
    assert ticket != "open-sesame"

    assert add(server, "/b", ticket=ticket) == OK
    assert add(server, "/b", ticket=ticket, app="default") == OK
    assert add(server, "/b", ticket=ticket, app="s~other") == PERMISSION_DENIED
    assert add(server, "/b", ticket=ticket[:-1]) == SECURITY_VIOLATION
    other = ticket.rsplit(".", 1)[0] + ".other"
    assert add(server, "/b", ticket=other) == SECURITY_VIOLATION
    wait_until(lambda: len(target.pushes) == 3, "the pushes of what the handler added")
    assert len({push.headers["x-appengine-api-ticket"] for push in target.pushes}) == 3

    key = server.data / "ticket.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    server.kill()
    server.start()
    assert add(server, "/c", ticket=ticket) == OK, "a ticket outlives a restart"
    server.client.key = "open-sesame"
    for secret in ("open-sesame", ticket, key.read_text().strip()):
        assert secret not in server.log()
        assert secret not in str(server.client.get("/v1/config"))


@pytest.mark.parametrize("flag, value, header, expected", [
    ("--eta-whole-seconds", "true", "x-appengine-tasketa", lambda eta: eta.isdigit()),
    ("--eta-whole-seconds", "false", "x-appengine-tasketa", lambda eta: len(eta.split(".")[1]) == 6),
    ("--forwarded-for", "false", "x-forwarded-for", lambda value: value is None),
    ("--forwarded-for", "true", "x-forwarded-for", lambda value: value == "0.1.0.2"),
])
def test_settings_of_the_headers(make_server, target, flag, value, header, expected):
    """GAE-135: what an operator may choose about them."""
    server = make_server(flag, value, "--app-url", target.url(""), "--store", "memory")
    assert add(server, "/a") == OK
    push = wait_until(lambda: target.pushes and target.pushes[0], "the push")
    assert expected(push.headers.get(header)), push.headers


@pytest.mark.parametrize("scaling, milliseconds", [("automatic", 600_000), ("basic", 86_400_000), ("flexible", 3_600_000)])
def test_the_deadline_follows_the_scaling_type(make_server, target, tmp_path, scaling, milliseconds):
    """GAE-151: of queues that App Engine's side makes, by an add or by queue.yaml; a queue's own timeout stays its own."""
    file = tmp_path / "queue.yaml"
    file.write_text("queue:\n- name: declared\n  rate: 100/s\n")
    server = make_server("--scaling", scaling, "--auto-create-queues", "true", "--app-url", target.url(""),
                         "--queue-yaml", str(file), "--store", "memory")
    server.client.put("/v1/queues/native", {"timeout": "20s"})
    for queue in ("made", "declared", "native"):
        assert add(server, f"/{queue}", queue=queue) == OK
    wait_until(lambda: len(target.pushes) == 3, "the pushes")
    deadlines = {push.path: int(push.headers["x-appengine-timeout-ms"]) for push in target.pushes}
    assert deadlines == {"/made": milliseconds, "/declared": milliseconds, "/native": 20_000}
