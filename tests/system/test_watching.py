"""What an operator looks at: metrics, health, statistics, the log."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone

import pytest
from harness import Refused, wait_until


def samples(client) -> dict[str, float]:
    status, headers, raw = client.raw("GET", "/metrics")
    assert status == 200 and headers["content-type"].startswith("text/plain")
    found = {}
    for line in raw.decode().splitlines():
        if line.startswith("#"):
            assert re.match(r"# (HELP|TYPE) [a-z_]+ ", line), line
            continue
        match = re.fullmatch(r"([a-z_]+(?:\{[^}]*\})?) (\S+)", line)
        assert match, line
        assert match[1] not in found, f"{match[1]} is there twice"
        found[match[1]] = float(match[2])
    return found


def labelled(client, family: str, label: str) -> dict[str, float]:
    """The samples of a family by one of their labels."""
    return {
        re.search(rf'[{{,]{label}="([^"]*)"', name)[1]: value
        for name, value in samples(client).items() if name.startswith(family + "{")}


def test_metrics_are_prometheus_text(client, target):
    for _ in range(5):
        client.add("default", url=target.url())
    wait_until(lambda: client.stats("default")["completed_total"] == 5, "five tasks")

    found = samples(client)
    assert all(name.startswith("deferd_") for name in found)
    assert any("fsync" in name and "_bucket" in name or "commit" in name and "_bucket" in name for name in found)
    wait_until(lambda: any('queue="default"' in name for name in samples(client)), "the queue's own samples")


def test_a_scripted_run_of_cloud_tasks_is_counted_exactly(make_server, make_target):
    """CT-255: attempts by how they ended, their delays, and calls, in any project."""
    client = make_server("--project", "other").client
    script = {"/a": [503, 500, 200], "/b": [404, 200], "/c": [400, 400, 400], "/d": [204]}
    target = make_target(lambda push: script[push.path][int(push.headers["x-cloudtasks-taskretrycount"])])
    queue = "projects/my-project/locations/here/queues/q"
    retry = {"maxAttempts": 3, "minBackoff": "0.01s", "maxBackoff": "0.01s"}
    client.post("/v2/projects/my-project/locations/here/queues", {"name": queue, "retryConfig": retry})
    for path in script:
        client.post(f"/v2/{queue}/tasks", {"task": {"httpRequest": {"url": target.url(path)}}})
    later = (datetime.now(timezone.utc) + timedelta(days=9)).isoformat()
    client.post(f"/v2/{queue}/tasks", {"task": {"httpRequest": {"url": target.url()}, "scheduleTime": later}})
    for wrong in ({"task": {"httpRequest": {}}}, {"task": {"httpRequest": {"url": 1}}}):
        with pytest.raises(Refused):
            client.post(f"/v2/{queue}/tasks", wrong)
    with pytest.raises(Refused):
        client.get(f"/v2/{queue}none")

    attempts = {"200": 2, "204": 1, "400": 3, "404": 1, "500": 1, "503": 1}
    wait_until(lambda: sum(labelled(client, "deferd_queue_attempts_total", "status").values()) >= 9, "nine attempts")
    assert labelled(client, "deferd_queue_attempts_total", "status") == attempts
    assert labelled(client, "deferd_queue_attempt_delay_seconds_count", "queue") == {"default": 0, "q": 9}
    assert labelled(client, "deferd_queue_depth", "queue") == {"default": 0, "q": 1}
    calls = {
        tuple(re.findall('="([^"]*)"', name)): count
        for name, count in samples(client).items() if name.startswith("deferd_cloudtasks_requests_total{")}
    v2 = "google.cloud.tasks.v2.CloudTasks"
    assert calls == {
        ("rest", v2, "CreateQueue", "ok"): 1, ("rest", v2, "CreateTask", "ok"): 5,
        ("rest", v2, "CreateTask", "invalid_argument"): 2, ("rest", v2, "GetQueue", "not_found"): 1}


def test_health_and_readiness(client):
    for path in ("/healthz", "/readyz"):
        status, _, raw = client.raw("GET", path)
        assert status == 200
        assert json.loads(raw)["status"] == "ok"


def test_statistics_count_what_happened(client, make_target):
    target = make_target(lambda push: 500 if push.path == "/bad" else 200)
    client.put("/v1/queues/q", {"retry": {"max_attempts": 2, "min_backoff": "0.01s"}})
    for path in ["/good"] * 6 + ["/bad"] * 2:
        client.add("q", url=target.url(path))
    client.add("q", url=target.url(), delay="1h")
    wait_until(lambda: client.stats("q")["tasks"] == 1, "all but the delayed one")
    stats = client.stats("q")
    assert (stats["scheduled"], stats["ready"], stats["in_flight"], stats["oldest_ready"]) == (1, 0, 0, None)
    assert (stats["added_total"], stats["completed_total"], stats["dropped_total"]) == (9, 6, 2)
    assert (stats["executed_total"], stats["failed_total"], stats["executed_minute"]) == (10, 4, 10)
    assert abs(stats["failure_rate"] - 0.4) < 1e-9
    assert stats["execution"]["count"] == 10
    assert 0 < stats["execution"]["p50"] <= stats["execution"]["p99"] < 5
    assert stats["enforced_rate"] == 500


def test_the_log_is_json_lines_and_tells_the_start_and_the_end(server):
    assert server.stop() == 0
    events = [json.loads(line) for line in server.log().splitlines()]
    assert all({"ts", "level", "event"} <= event.keys() for event in events)
    names = [event["event"] for event in events]
    assert names.index("server.started") < names.index("server.stopping") < names.index("server.stopped")
    assert {"event": "setting", "name": "listen"}.items() <= next(e for e in events if e.get("name") == "listen").items()
