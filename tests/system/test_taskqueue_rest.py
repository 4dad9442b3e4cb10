"""App Engine's REST API for pull queues against the real server, as a worker of its time used it."""

from __future__ import annotations

import base64
import json
import time

import pytest
from harness import Client, Refused, wait_until

QUEUE = "/taskqueue/v1beta2/projects/s~default/taskqueues/work"


@pytest.fixture
def queue(client) -> str:
    client.put("/v1/queues/work", {"mode": "pull", "retry": {"max_attempts": 3}})
    return QUEUE


def insert(client: Client, payload: bytes, **task) -> dict:
    return client.post(f"{QUEUE}/tasks", task | {"payloadBase64": base64.urlsafe_b64encode(payload).decode()})


def lease(client: Client, **query) -> list[dict]:
    words = "&".join(f"{k}={v}" for k, v in ({"numTasks": 10, "leaseSecs": 60} | query).items())
    return client.call("POST", f"{QUEUE}/tasks/lease?{words}").get("items", [])


def update(client: Client, task: dict, seconds: int) -> dict:
    return client.post(f"{QUEUE}/tasks/{task['id']}?newLeaseSeconds={seconds}", task)


def test_a_workers_day(client, queue):
    """GAE-212 GAE-213 GAE-214: insert, lease, extend, give back, lease again, delete; bytes come back as they went."""
    payload = bytes(range(256))
    insert(client, payload, id="one", tag="red")
    (task,) = lease(client)
    assert base64.urlsafe_b64decode(task["payloadBase64"]) == payload
    assert (task["id"], task["tag"], task["retry_count"]) == ("one", "red", 1)
    assert task["queueName"] == "projects/s~default/taskqueues/work"
    assert isinstance(task["leaseTimestamp"], str)
    assert abs(int(task["leaseTimestamp"]) / 1e6 - (time.time() + 60)) < 10
    longer = update(client, task, 600)
    assert int(longer["leaseTimestamp"]) > int(task["leaseTimestamp"])
    with pytest.raises(Refused) as refused:
        update(client, task, 600)
    assert (refused.value.status, refused.value.error["message"]) == (400, "The task lease has expired")
    assert update(client, longer, 0)["leaseTimestamp"] == "0"
    (again,) = lease(client)
    assert again["retry_count"] == 2
    assert client.delete(f"{queue}/tasks/one") is None
    with pytest.raises(Refused) as refused:
        client.get(f"{queue}/tasks/one")
    assert refused.value.status == 404


def test_a_task_is_given_up_after_as_many_leases_as_its_queue_allows(client, queue):
    """GAE-125: retry_limit 3 is three leases; then the task is gone and its name still taken."""
    insert(client, b"x", id="thrice")
    assert client.get(queue)["maxLeases"] == 3
    for leases in range(1, 4):
        (task,) = wait_until(lambda: lease(client, leaseSecs=1), f"lease {leases}")
        assert task["retry_count"] == leases
    wait_until(lambda: client.stats("work")["tasks"] == 0, "the task to be given up")
    with pytest.raises(Refused) as refused:
        insert(client, b"x", id="thrice")
    assert refused.value.status == 409


def test_statistics_tell_of_leases(client, queue):
    """GAE-215 GAE-098: what was leased in the last minute and hour."""
    for n in range(3):
        insert(client, str(n).encode())
    assert "stats" not in client.get(queue)
    before = client.get(f"{queue}?getStats=true")["stats"]
    assert (before["totalTasks"], before["leasedLastMinute"]) == (3, "0")
    assert abs(int(before["oldestTask"]) - time.time()) < 60
    assert len(lease(client, numTasks=2)) == 2
    stats = client.get(f"{queue}?getStats=true")["stats"]
    assert (stats["totalTasks"], stats["leasedLastMinute"], stats["leasedLastHour"]) == (3, "2", "2")


def test_a_lease_survives_a_kill(server, client, queue):
    """GAE-129: what was leased is not leased again after a crash, and its holder still holds it."""
    insert(client, b"x", id="kept")
    (task,) = lease(client)
    server.kill()
    server.start()
    assert lease(server.client) == []
    assert int(update(server.client, task, 120)["leaseTimestamp"]) > int(task["leaseTimestamp"])


def test_the_queue_is_the_one_that_other_doors_see(client, queue):
    client.add("work", body="from v1", key="blue")
    insert(client, b"from rest")
    assert [task["tag"] if "tag" in task else None for task in lease(client, groupByTag="true", tag="blue")] == ["blue"]
    (other,) = client.post("/v1/queues/work/tasks:lease", {"max": 10})["tasks"]
    assert other["body"] == "from rest"


def test_with_tickets_configured_only_who_has_one_gets_in(make_server):
    """GAE-217: nobody without a ticket; an operator's is an admin's."""
    server = make_server("--tickets", "secret-of-the-operator")
    client = server.client
    client.key = "secret-of-the-operator"
    client.put("/v1/queues/work", {"mode": "pull"})
    client.key = None
    status, headers, body = client.raw("GET", QUEUE)
    assert (status, headers["www-authenticate"]) == (401, "Bearer")
    assert json.loads(body)["error"]["code"] == 401
    assert client.raw("GET", QUEUE, headers={"Authorization": "Bearer wrong"})[0] == 401
    assert client.raw("GET", QUEUE, headers={"Authorization": "Bearer secret-of-the-operator"})[0] == 200
    assert client.raw("GET", f"{QUEUE}?oauth_token=secret-of-the-operator")[0] == 200
