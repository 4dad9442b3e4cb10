"""The sampled log of a queue (stackdriverLoggingConfig): on standard output, a line an operation."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

from harness import wait_until

PARENT = "/v2/projects/p/locations/us-central1"


def make_queue(client, name: str, ratio: float | None) -> str:
    queue = {"name": f"{PARENT}/queues/{name}"[4:], "retryConfig": {"minBackoff": "0.001s", "maxBackoff": "0.001s"}}
    if ratio is not None:
        queue["stackdriverLoggingConfig"] = {"samplingRatio": ratio}
    return client.post(f"{PARENT}/queues", queue)["name"]


def lines(server) -> list[dict]:
    return [json.loads(line) for line in server.log().splitlines() if line.startswith('{"logName"')]


def kinds(server) -> list[str]:
    return [next(name for name in line["jsonPayload"] if name.endswith("Log")) for line in lines(server)]


def test_each_operation_is_logged(server, client, make_target):
    """CT-256: with a ratio of 1, creation, dispatch, response and deletion are lines with the names of Google's fields."""
    statuses = [503, 200]
    target = make_target(lambda push: statuses.pop(0))
    queue = make_queue(client, "all", 1)
    client.post(f"/v2/{queue}/tasks", {"task": {"name": f"{queue}/tasks/t", "httpRequest": {"url": target.url("/work?key=sesame")}}})
    wait_until(lambda: len(lines(server)) == 5, "five lines")
    assert kinds(server) == ["taskCreationLog", "attemptDispatchLog", "attemptResponseLog", "attemptDispatchLog", "attemptResponseLog"]
    failed = lines(server)[2]
    assert failed["severity"] == "ERROR" and failed["resource"]["labels"] == {
        "project_id": "p", "queue_id": "all", "location": "us-central1", "target_type": "HTTP"}
    assert failed["jsonPayload"]["task"] == f"{queue}/tasks/t"
    response = failed["jsonPayload"]["attemptResponseLog"]
    assert response.pop("attemptDuration").endswith("s") and response.pop("retryTime") >= response.pop("scheduleTime")
    assert response == {"status": "UNAVAILABLE", "targetType": "HTTP", "targetAddress": "POST " + target.url("/work"),
                        "dispatchCount": "1", "responseCount": "1", "maxAttempts": 100}
    ended = lines(server)[4]["jsonPayload"]["attemptResponseLog"]
    assert (ended["status"], ended["dispatchCount"], "retryTime" in ended) == ("OK", "2", False)
    assert "sesame" not in server.log()

    tomorrow = (datetime.now(timezone.utc) + timedelta(days=1)).isoformat()
    task = client.post(f"/v2/{queue}/tasks", {"task": {"httpRequest": {"url": target.url()}, "scheduleTime": tomorrow}})
    client.delete(f"/v2/{task['name']}")
    wait_until(lambda: kinds(server)[5:] == ["taskCreationLog", "taskDeletionLog"], "the deletion's line")


def test_nothing_is_logged_unless_it_is_asked_for(server, client, target):
    """CT-256: a ratio of 0, and none, write nothing."""
    for name, ratio in (("zero", 0), ("none", None), ("last", 1)):
        queue = make_queue(client, name, ratio)
        client.post(f"/v2/{queue}/tasks", {"task": {"httpRequest": {"url": target.url()}}})
    wait_until(lambda: len(lines(server)) >= 3, "the lines of the last queue")
    assert {line["resource"]["labels"]["queue_id"] for line in lines(server)} == {"last"}
