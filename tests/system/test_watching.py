"""What an operator looks at: metrics, health, statistics, the log."""

from __future__ import annotations

import json
import re

from harness import wait_until


def test_metrics_are_prometheus_text(client, target):
    for _ in range(5):
        client.add("default", url=target.url())
    wait_until(lambda: client.stats("default")["completed_total"] == 5, "five tasks")

    def samples():
        status, headers, raw = client.raw("GET", "/metrics")
        assert status == 200 and headers["content-type"].startswith("text/plain")
        found = {}
        for line in raw.decode().splitlines():
            if line.startswith("#"):
                assert re.match(r"# (HELP|TYPE) [a-z_]+ ", line), line
                continue
            match = re.fullmatch(r"([a-z_]+(?:\{[^}]*\})?) (\S+)", line)
            assert match, line
            float(match[2])
            assert match[1] not in found, f"{match[1]} is there twice"
            found[match[1]] = match[2]
        return found

    found = samples()
    assert all(name.startswith("deferd_") for name in found)
    assert any("fsync" in name and "_bucket" in name or "commit" in name and "_bucket" in name for name in found)
    wait_until(lambda: any('queue="default"' in name for name in samples()), "the queue's own samples")


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
