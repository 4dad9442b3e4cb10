"""Cloud Tasks' promises that need a process: what survives its death, and what it costs at rest."""

from __future__ import annotations

import datetime
import os
import time

import pytest
from harness import Refused, wait_until

LOCATION = "/v2/projects/p/locations/l"


def in_an_hour(extra: int = 0) -> str:
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1, seconds=extra)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def create(client, queue: str, **task):
    task.setdefault("httpRequest", {"url": "http://127.0.0.1:1/"})
    return client.post(f"{LOCATION}/queues/{queue}/tasks", {"task": task})


def test_settings_tombstones_and_tasks_survive_a_restart(server, client):  # CT-048
    beta = LOCATION.replace("v2", "v2beta3")
    name = "projects/p/locations/l/queues/q"
    queue = {
        "name": name,
        "rateLimits": {"maxDispatchesPerSecond": 0.25, "maxBurstSize": 3, "maxConcurrentDispatches": 7},
        "retryConfig": {"maxAttempts": 4, "minBackoff": "3s"},
        "taskTtl": "864000s",
    }
    client.post(f"{beta}/queues", queue)
    client.post(f"{LOCATION}/queues/q:pause")
    create(client, "q", name=f"{name}/tasks/lives", scheduleTime=in_an_hour())
    create(client, "q", name=f"{name}/tasks/ended", scheduleTime=in_an_hour())
    client.delete(f"{LOCATION}/queues/q/tasks/ended")
    before = client.get(f"{beta}/queues/q")
    tasks = client.get(f"{LOCATION}/queues/q/tasks")
    assert server.stop() == 0
    server.start()
    assert client.get(f"{beta}/queues/q") == before
    assert before["state"] == "PAUSED" and before["taskTtl"] == "864000s"
    assert client.get(f"{LOCATION}/queues/q/tasks") == tasks
    for taken in ("lives", "ended"):
        with pytest.raises(Refused) as refused:
            create(client, "q", name=f"{name}/tasks/{taken}")
        assert refused.value.status == 409


def test_an_answered_create_survives_kill_9(server, client):  # CT-085
    client.post(f"{LOCATION}/queues", {"name": "projects/p/locations/l/queues/q"})
    names = [create(client, "q", scheduleTime=in_an_hour(i))["name"] for i in range(20)]
    server.kill()
    server.start()
    for name in names:
        assert client.get(f"/v2/{name}")["name"] == name


def test_a_repeated_batch_creates_nothing_twice_also_after_kill_9(server, client):  # CT-207
    name = "projects/p/locations/l/queues/q"
    client.post(f"{LOCATION}/queues", {"name": name})
    task = {"httpRequest": {"url": "http://127.0.0.1:1/"}, "scheduleTime": in_an_hour()}
    batch = {"requests": [{"parent": name, "task": task}] * 3, "requestId": "0d7b4c0e-6ff0-4f8e-8f2e-0123456789ab"}
    first = client.post(f"{LOCATION}/queues/q/tasks:batchCreate", batch)
    server.kill()
    server.start()
    assert client.post(f"{LOCATION}/queues/q/tasks:batchCreate", batch) == first
    assert client.get(f"/v2/{first['name']}") == first
    assert len(client.get(f"{LOCATION}/queues/q/tasks")["tasks"]) == 3


def cpu_seconds(pid: int) -> float:
    fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_ten_thousand_delayed_tasks_cost_no_cpu_at_rest(server, client):  # CT-155
    client.put("/v1/queues/q", {})
    for i in range(10):
        batch = [{"url": "http://127.0.0.1:1/", "eta": in_an_hour(i * 1000 + j)} for j in range(1000)]
        client.post("/v1/queues/q/tasks:batch", {"tasks": batch})
    pid = server.process.pid
    seconds = 5

    def share_of_a_core() -> float:
        before = cpu_seconds(pid)
        time.sleep(seconds)
        return (cpu_seconds(pid) - before) / seconds

    # Compactions and closing connections come to rest first.
    wait_until(lambda: share_of_a_core() < 0.01, "less than a hundredth of a core", 60)
