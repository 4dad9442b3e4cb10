"""What is tried again and what is not, against a server that fails as it is told."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

import pytest

from deferd import AlreadyExists, Client, Executor, InvalidArgument, NewTask, ResourceExhausted, ServerError, Task, Unreachable

Answer = tuple[int, dict[str, str], bytes]
JSON = {"Content-Type": "application/json"}


def refusal(code: int, status: str, **headers: str) -> Answer:
    return code, JSON | headers, json.dumps({"error": {"code": code, "status": status, "message": "no", "field": "f"}}).encode()


def task_answer() -> Answer:
    instant = "2026-11-28T00:00:00.000000Z"
    return 201, JSON, json.dumps({"id": "1", "queue": "q", "state": "ready", "priority": 5, "eta": instant, "created": instant,
                                  "attempts": 0}).encode()


Make = Callable[..., Any]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made, none of which takes time."""
    pauses: list[float] = []
    monkeypatch.setattr("deferd.client.time.sleep", pauses.append)
    return pauses


def test_what_was_refused_for_now_is_tried_again(scripted: Make, no_pauses: list[float]) -> None:
    server = scripted(refusal(429, "RESOURCE_EXHAUSTED", **{"Retry-After": "2"}), refusal(503, "UNAVAILABLE"), task_answer())
    with Client(server.url) as client:
        assert client.add_task("q", body="x").id == "1"
    assert no_pauses == [2.0, 0.2]


def test_it_is_not_tried_for_ever(scripted: Make) -> None:
    server = scripted(*[refusal(429, "RESOURCE_EXHAUSTED")] * 3)
    with Client(server.url, attempts=3) as client, pytest.raises(ResourceExhausted):
        client.add_task("q", body="x")
    assert len(server.calls) == 3


def test_a_refusal_for_good_is_not_tried_again(scripted: Make) -> None:
    server = scripted(refusal(400, "INVALID_ARGUMENT"))
    with Client(server.url) as client, pytest.raises(InvalidArgument) as refused:
        client.get_queue("q")
    assert refused.value.field == "f"


def test_an_add_whose_answer_is_lost_is_repeated_with_a_name_only(scripted: Make) -> None:
    server = scripted(None, None, task_answer())
    with Client(server.url, name_tasks=False) as client:
        with pytest.raises(Unreachable) as lost:
            client.add_task("q", NewTask(body="x"))
        assert lost.value.sent
        assert client.add_task("q", NewTask(body="x", name="n")).id == "1"


def test_a_task_without_a_name_gets_one_so_that_its_add_is_repeated_and_happens_once(scripted: Make) -> None:
    taken = refusal(409, "ALREADY_EXISTS")
    server = scripted(None, taken, (200, *task_answer()[1:]), None, taken, refusal(404, "NOT_FOUND"), taken)
    with Client(server.url) as client:
        assert client.add_task("q", body="x").id == "1"  # the first attempt had stored it
        gone = client.add_task("q", body="x")  # and here it has even ended since
        assert (gone.state, gone.id) == ("ended", gone.name)
        with pytest.raises(AlreadyExists):
            client.add_task("q", body="x", name="mine")
    first, again, asked = server.calls[:3]
    assert first == again == "POST /v1/queues/q/tasks" and asked.startswith("GET /v1/queues/q/tasks/")


def test_a_batch_is_repeated_and_happens_once_too(scripted: Make) -> None:
    results = {"results": [{"error": json.loads(refusal(409, "ALREADY_EXISTS")[2])["error"]}, {"task": json.loads(task_answer()[2])}]}
    server = scripted(None, (200, JSON, json.dumps(results).encode()), (200, *task_answer()[1:]))
    with Client(server.url) as client:
        assert [task.id for task in client.add_tasks("q", [NewTask(), NewTask()]) if isinstance(task, Task)] == ["1", "1"]


def test_a_connection_that_cannot_be_made_is_tried_again_for_any_call(no_pauses: list[float]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        with Client(f"http://127.0.0.1:{probe.getsockname()[1]}", attempts=3) as client, pytest.raises(Unreachable) as away:
            client.add_task("q", body="x")
    assert not away.value.sent
    assert len(no_pauses) == 2


def test_an_answer_of_something_else_is_told_as_it_is(scripted: Make) -> None:
    server = scripted((502, {"Content-Type": "text/html"}, b"<h1>Bad gateway</h1>"))
    with Client(server.url) as client, pytest.raises(ServerError, match="HTTP 502: <h1>Bad gateway"):
        client.get_queue("q")


def test_an_answer_that_is_not_understood_is_told_as_it_is(scripted: Make) -> None:
    server = scripted((200, JSON, b'{"some": "thing"}'))
    with Client(server.url) as client, pytest.raises(ServerError, match="an answer that is not deferd's: KeyError.*thing"):
        client.get_task("q", "1")


def test_futures_end_whatever_the_server_answers(scripted: Make) -> None:
    server = scripted((200, JSON, b'{"some": "thing"}'), (200, JSON, b'{"results": [{"task": 7}]}'), (200, JSON, b"[]"))
    with Executor(url=server.url) as executor:
        assert all(isinstance(executor.submit(abs, -1).exception(10), ServerError) for _ in range(3))
