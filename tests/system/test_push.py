"""Push, end to end: what is added arrives at its target, when and as often as it should."""

from __future__ import annotations

import base64
import json
import socket
import time

import pytest
from harness import Answer, Refused, wait_until


def drained(client, queue: str) -> bool:
    return client.stats(queue)["tasks"] == 0


def test_a_task_arrives_with_its_body_and_headers_and_ends(client, target):
    task = client.add("default", url=target.url("/work?a=1"), method="PUT", headers={"X-Colour": "blue"}, body="hello")
    assert len(task["id"]) == 20
    push = wait_until(lambda: target.pushes and target.pushes[0], "the push")
    assert (push.method, push.path, push.body) == ("PUT", "/work?a=1", b"hello")
    assert push.headers["x-colour"] == "blue"
    assert push.headers["host"] == f"127.0.0.1:{target.port}"
    assert push.headers["x-deferd-queue"].endswith("default")
    assert push.headers["x-deferd-task"] == task["id"]
    wait_until(lambda: drained(client, "default"), "the task to end")
    with pytest.raises(Refused) as gone:
        client.get(f"/v1/queues/default/tasks/{task['id']}")
    assert gone.value.status == 404


def test_json_and_binary_bodies_arrive_as_they_are(client, target):
    client.add("default", url=target.url("/json"), json={"a": [1, "ü"]})
    client.add("default", url=target.url("/bytes"), body_base64=base64.b64encode(b"\xff\x00\x01").decode())
    wait_until(lambda: len(target.pushes) == 2, "both")
    by_path = {push.path: push for push in target.pushes}
    assert by_path["/json"].headers["content-type"].startswith("application/json")
    assert json.loads(by_path["/json"].body) == {"a": [1, "ü"]}
    assert by_path["/bytes"].body == b"\xff\x00\x01"


def test_a_failed_attempt_is_tried_again_until_it_succeeds(client, make_target):
    target = make_target(lambda push: 200 if len(target.pushes) >= 3 else 503)
    client.put("/v1/queues/q", {"retry": {"min_backoff": "0.05s", "max_backoff": "0.1s"}})
    client.add("q", url=target.url())
    wait_until(lambda: len(target.pushes) == 3, "the third attempt")
    assert target.pushes[1].at - target.pushes[0].at >= 0.045
    assert [push.headers["x-deferd-retry-count"] for push in target.pushes] == ["0", "1", "2"]
    wait_until(lambda: drained(client, "q"), "the task to end")
    stats = client.stats("q")
    assert (stats["failed_total"], stats["completed_total"]) == (2, 1)


def test_a_task_is_given_up_after_max_attempts(client, make_target):
    target = make_target(lambda push: 500)
    client.put("/v1/queues/q", {"retry": {"max_attempts": 3, "min_backoff": "0.01s"}})
    client.add("q", url=target.url())
    wait_until(lambda: drained(client, "q"), "the task to be given up")
    assert len(target.pushes) == 3
    assert client.stats("q")["dropped_total"] == 1


def test_retry_after_is_a_lower_bound_of_the_next_attempt(client, make_target):
    target = make_target(lambda push: Answer(429, {"Retry-After": "1"}) if len(target.pushes) == 1 else 200)
    client.put("/v1/queues/q", {"retry": {"min_backoff": "0.01s"}})
    client.add("q", url=target.url())
    wait_until(lambda: len(target.pushes) == 2, "the second attempt")
    assert target.pushes[1].at - target.pushes[0].at >= 0.95


def test_redirects_are_not_followed(client, make_target):
    other = make_target()
    target = make_target(lambda push: Answer(302, {"Location": other.url()}))
    client.put("/v1/queues/q", {"retry": {"max_attempts": 2, "min_backoff": "0.01s"}})
    client.add("q", url=target.url())
    wait_until(lambda: drained(client, "q"), "the task to be given up")
    assert len(target.pushes) == 2
    assert other.pushes == []


def test_an_attempt_that_hangs_ends_at_its_timeout(client, make_target):
    target = make_target(lambda push: Answer(hang=True) if len(target.pushes) == 1 else 200)
    client.put("/v1/queues/q", {"timeout": "0.3s", "retry": {"min_backoff": "0.01s"}})
    client.add("q", url=target.url())
    wait_until(lambda: drained(client, "q"), "the task to end")
    assert 0.29 <= target.pushes[1].at - target.pushes[0].at < 3


def test_a_hanging_target_does_not_delay_another(client, make_target):
    hanging = make_target(lambda push: Answer(hang=True))
    quick = make_target()
    client.put("/v1/queues/q", {"rate": "unlimited", "concurrency": 2000})
    for _ in range(2):
        client.post("/v1/queues/q/tasks:batch", {"tasks": [{"url": hanging.url()}] * 500})
    wait_until(lambda: len(hanging.pushes) == 1000, "a thousand hanging attempts")
    begun = time.monotonic()
    client.add("q", url=quick.url())
    wait_until(lambda: quick.pushes, "the quick one")
    assert time.monotonic() - begun < 1


def test_a_delayed_task_waits_and_an_eta_means_the_same(client, target):
    begun = time.monotonic()
    task = client.add("default", url=target.url(), delay="0.5s")
    assert client.get(f"/v1/queues/default/tasks/{task['id']}")["state"] == "scheduled"
    wait_until(lambda: target.pushes, "the push")
    assert target.pushes[0].at - begun >= 0.49
    client.add("default", url=target.url(), eta="2020-01-01T00:00:00Z")
    wait_until(lambda: len(target.pushes) == 2, "a task whose time has passed")


def test_a_paused_queue_takes_tasks_and_starts_none(client, target):
    client.put("/v1/queues/q", {})
    client.post("/v1/queues/q:pause")
    first = client.add("q", url=target.url("/1"))
    client.add("q", url=target.url("/2"))
    assert client.get("/v1/queues/q")["state"] == "paused"
    # What is run by hand goes out all the same, which also shows that the other would have had the time to.
    client.post(f"/v1/queues/q/tasks/{first['id']}:run")
    wait_until(lambda: target.pushes, "the task that was run by hand")
    assert [push.path for push in target.pushes] == ["/1"]
    client.post("/v1/queues/q:resume")
    wait_until(lambda: len(target.pushes) == 2, "the other")


def test_higher_priority_goes_first(client, target):
    client.put("/v1/queues/q", {"concurrency": 1})
    client.post("/v1/queues/q:pause")
    for priority in (5, 0, 9, 5, 1):
        client.add("q", url=target.url(f"/{priority}"), priority=priority)
    client.post("/v1/queues/q:resume")
    wait_until(lambda: len(target.pushes) == 5, "all five")
    assert [push.path for push in target.pushes] == ["/9", "/5", "/5", "/1", "/0"]


def test_concurrency_is_never_exceeded(client, make_target):
    running = [0, 0]  # now, most

    def answer(push):
        running[0] += 1
        running[1] = max(running)
        target._loop.call_later(0.02, lambda: running.__setitem__(0, running[0] - 1))
        return Answer(200, delay=0.03)  # the count falls before the answer leaves

    target = make_target(answer)
    client.put("/v1/queues/q", {"concurrency": 3, "rate": "unlimited"})
    client.post("/v1/queues/q/tasks:batch", {"tasks": [{"url": target.url()}] * 30})
    wait_until(lambda: drained(client, "q"), "all tasks")
    assert len(target.pushes) == 30
    assert running[1] <= 3


def test_the_rate_is_kept(client, target):
    client.put("/v1/queues/q", {"rate": "20/s", "burst": 1})
    client.post("/v1/queues/q/tasks:batch", {"tasks": [{"url": target.url()}] * 21})
    wait_until(lambda: drained(client, "q"), "all tasks")
    # 20 intervals of 50 ms; arrival may jitter by scheduling, the span cannot shrink by more than that.
    assert target.pushes[-1].at - target.pushes[0].at >= 0.9


def test_a_name_is_taken_while_its_task_lives_and_for_the_tombstone_time(client, target):
    client.put("/v1/queues/q", {"tombstone": "0.5s"})
    client.post("/v1/queues/q:pause")
    client.add("q", url=target.url(), name="only-once")
    with pytest.raises(Refused) as taken:
        client.add("q", url=target.url(), name="only-once")
    assert taken.value.status == 409
    client.post("/v1/queues/q:resume")
    wait_until(lambda: drained(client, "q"), "the task to end")
    with pytest.raises(Refused) as recent:
        client.add("q", url=target.url(), name="only-once")
    assert recent.value.status == 409

    def again():
        try:
            return client.add("q", url=target.url(), name="only-once")
        except Refused as refused:
            assert refused.status == 409
            return None

    wait_until(again, "the name to be free")
    wait_until(lambda: len(target.pushes) == 2, "the second task of that name")


def test_one_bad_task_does_not_spoil_the_batch(client, target):
    tasks = [{"url": target.url(f"/{i}")} for i in range(100)]
    tasks[42] = {"url": "nonsense"}
    answer = client.post("/v1/queues/default/tasks:batch", {"tasks": tasks})
    assert [i for i, result in enumerate(answer["results"]) if "error" in result] == [42]
    assert all("task" in result for i, result in enumerate(answer["results"]) if i != 42)
    wait_until(lambda: len(target.pushes) == 99, "the other 99")


def test_purge_and_delete_are_barriers(client, target):
    client.put("/v1/queues/q", {})
    client.post("/v1/queues/q:pause")
    kept_out = [client.add("q", url=target.url("/gone")) for _ in range(10)]
    client.delete(f"/v1/queues/q/tasks/{kept_out[0]['id']}")
    client.post("/v1/queues/q:purge")
    assert client.stats("q")["tasks"] == 0
    assert client.tasks("q") == []
    client.add("q", url=target.url("/after"))
    client.post("/v1/queues/q:resume")
    wait_until(lambda: target.pushes, "the task that came after")
    client.delete("/v1/queues/q")
    with pytest.raises(Refused) as gone:
        client.get("/v1/queues/q")
    assert gone.value.status == 404
    assert [push.path for push in target.pushes] == ["/after"]


def test_metadata_and_the_servers_own_address_are_not_reached(server, client):
    client.put("/v1/queues/q", {"retry": {"max_attempts": 1}})
    for url in ("http://169.254.169.254/latest/meta-data/", f"http://127.0.0.1:{server.port}/v1/queues/q:purge"):
        client.add("q", url=url)
    wait_until(lambda: client.stats("q")["dropped_total"] == 2, "both to be refused")


def test_pages_are_exact_while_tasks_come_and_go(client, target):
    client.put("/v1/queues/q", {})
    client.post("/v1/queues/q:pause")
    names = [f"t{i:03}" for i in range(50)]
    for name in names:
        client.add("q", url=target.url(), name=name)
    seen, token = [], None
    while True:
        page = client.get("/v1/queues/q/tasks?page_size=7" + (f"&page_token={token}" if token else ""))
        seen += [task["name"] for task in page["tasks"] if task["name"] in names]
        client.add("q", url=target.url())  # comes
        alive = client.tasks("q")
        client.delete(f"/v1/queues/q/tasks/{alive[-1]['id']}")  # and one goes
        token = page.get("next_page_token")
        if not token:
            break
    assert seen == names


def test_target_deny_and_its_exceptions(make_server, make_target):
    denied, allowed = make_target(), make_target()
    server = make_server("--target-deny", "loopback", "--target-allow", "127.0.0.2")
    client = server.client
    client.put("/v1/queues/q", {"retry": {"max_attempts": 1}})
    client.add("q", url=denied.url())
    client.add("q", url=f"http://localhost:{denied.port}/")
    wait_until(lambda: client.stats("q")["dropped_total"] == 2, "both to be refused")
    assert denied.pushes == []
    # The narrower network decides. Nobody listens at 127.0.0.2, so what is seen is that it was tried.
    client.put("/v1/queues/slow", {"retry": {"min_backoff": "1h"}})
    task = client.add("slow", url=f"http://127.0.0.2:{allowed.port}/")
    assert wait_until(lambda: client.get(f"/v1/queues/slow/tasks/{task['id']}").get("last_failure"), "the attempt") == "unreachable"


def test_a_task_overrides_its_queue(client, make_target):
    target = make_target(lambda push: 500 if push.path == "/fail" else Answer(hang=True))
    client.put("/v1/queues/q", {"retry": {"min_backoff": "1h"}})
    client.add("q", url=target.url("/fail"), retry={"max_attempts": 3, "min_backoff": "0.01s", "max_backoff": "0.02s"})
    wait_until(lambda: client.stats("q")["dropped_total"] == 1, "the task to be given up")
    assert len(target.pushes) == 3
    task = client.add("q", url=target.url("/hang"), timeout="0.2s")
    assert wait_until(lambda: client.get(f"/v1/queues/q/tasks/{task['id']}").get("last_failure"), "its end") == "timeout"


def test_a_target_that_is_away_gets_its_tasks_when_it_is_back(client, make_target):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused, and nobody else gets the port
        port = held.getsockname()[1]
        client.put("/v1/queues/q", {"retry": {"min_backoff": "0.05s", "max_backoff": "0.1s"}})
        client.add("q", url=f"http://127.0.0.1:{port}/")
        wait_until(lambda: client.stats("q")["failed_total"] >= 2, "two failed attempts")
        held.listen()
        connection, _ = held.accept()
        with connection:
            assert connection.recv(65536).startswith(b"POST / HTTP/1.1\r\n")
            connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            wait_until(lambda: drained(client, "q"), "the task to end")
