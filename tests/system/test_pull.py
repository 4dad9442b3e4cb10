"""Pull, end to end: leases are exclusive, fenced by a token, and end when they say."""

from __future__ import annotations

import threading
import time

import pytest
from harness import Client, wait_until


@pytest.fixture
def queue(client):
    client.put("/v1/queues/work", {"mode": "pull"})
    return "/v1/queues/work/tasks"


def lease(client: Client, queue: str, **options) -> list[dict]:
    return client.post(queue + ":lease", options)["tasks"]


def token(task: dict) -> dict:
    return {"id": task["id"], "lease_token": task["lease_token"]}


def test_a_leased_task_is_acknowledged_and_gone(client, queue):
    client.add("work", body="payload")
    (task,) = lease(client, queue, max=10, lease="60s")
    assert task["body"] == "payload"
    assert lease(client, queue, max=10) == []
    assert client.stats("work")["leased"] == 1
    answer = client.post(queue + ":ack", {"tasks": [token(task)]})
    assert "error" not in answer["results"][0]
    assert client.stats("work")["tasks"] == 0
    again = client.post(queue + ":ack", {"tasks": [token(task)]})
    assert "error" in again["results"][0]


def test_a_lease_that_ends_is_granted_anew_and_the_late_worker_is_refused(client, queue):
    client.add("work", body="x")
    (late,) = lease(client, queue, max=1, lease="0.2s")
    (task,) = wait_until(lambda: lease(client, queue, max=1, lease="60s"), "the lease to end")
    assert task["id"] == late["id"]
    assert task["lease_token"] != late["lease_token"]
    answer = client.post(queue + ":ack", {"tasks": [token(late), token(task)]})
    assert "error" in answer["results"][0]
    assert "error" not in answer["results"][1]


def test_a_renewed_lease_holds_and_a_released_task_comes_back(client, queue):
    client.add("work", body="x")
    (task,) = lease(client, queue, max=1, lease="0.3s")
    renewed = client.post(queue + ":renew", {"tasks": [token(task)], "lease": "60s"})
    assert "error" not in renewed["results"][0]
    time.sleep(0.4)  # the first lease would have ended: time itself is what is tested
    assert lease(client, queue, max=1) == []
    released = client.post(queue + ":release", {"tasks": [token(task)], "delay": "0s"})
    assert "error" not in released["results"][0]
    (again,) = wait_until(lambda: lease(client, queue, max=1), "the released task")
    assert again["id"] == task["id"]


def test_a_long_poll_wakes_when_a_task_comes(client, server, queue):
    arrived: list[float] = []

    def poll():
        (task,) = lease(Client(server.port), queue, max=1, wait="20s")
        arrived.append(time.monotonic())

    waiting = threading.Thread(target=poll)
    waiting.start()
    time.sleep(0.1)  # so that it most likely waits already; the test holds either way
    added = time.monotonic()
    client.add("work", body="x")
    waiting.join(10)
    assert arrived and arrived[0] - added < 0.5


def test_a_long_poll_answers_empty_at_its_end(client, queue):
    begun = time.monotonic()
    assert lease(client, queue, max=1, wait="0.3s") == []
    assert 0.29 <= time.monotonic() - begun < 3


def test_two_leasers_never_hold_one_task(client, server, queue):
    for _ in range(4):
        client.post(queue + ":batch", {"tasks": [{"body": str(i)} for i in range(500)]})
    held: list[str] = []
    lock = threading.Lock()

    def work():
        mine = Client(server.port)
        while tasks := lease(mine, queue, max=50, lease="60s"):
            with lock:
                held.extend(task["id"] for task in tasks)

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert len(held) == 2000
    assert len(set(held)) == 2000


def test_leasing_by_key_takes_that_key_alone(client, queue):
    for i in range(6):
        client.add("work", body=str(i), key="odd" if i % 2 else "even")
    assert [task["body"] for task in lease(client, queue, max=10, key="odd")] == ["1", "3", "5"]
    assert [task["body"] for task in lease(client, queue, max=10)] == ["0", "2", "4"]


def test_pause_stops_leases(client, queue):
    client.add("work", body="x")
    client.post("/v1/queues/work:pause")
    assert lease(client, queue, max=1) == []
    client.post("/v1/queues/work:resume")
    assert len(lease(client, queue, max=1)) == 1
