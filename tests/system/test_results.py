"""Results, end to end: what became of a task is told to who asks, survives kill -9, and is posted to who wants to know."""

from __future__ import annotations

import json
import threading
import time
from urllib.parse import quote

import pytest
from harness import Answer, Client, Refused, wait_until


def result(client: Client, queue: str, task: str, wait: str = "20s", **query: str) -> dict:
    words = "".join(f"&{name}={quote(value)}" for name, value in query.items())
    return client.get(f"/v1/queues/{queue}/tasks/{task}/result?wait={wait}{words}")


def lease(client: Client, queue: str, **options) -> list[dict]:
    return client.post(f"/v1/queues/{queue}/tasks:lease", {"max": 10} | options)["tasks"]


def end(client: Client, queue: str, verb: str, task: dict, worker: str | None = None, **report) -> dict:
    body = {"tasks": [{"id": task["id"], "lease_token": task["lease_token"]} | report]}
    (answer,) = client.post(f"/v1/queues/{queue}/tasks:{verb}", body | ({"worker": worker} if worker else {}))["results"]
    assert "error" not in answer, answer
    return answer


@pytest.fixture
def jobs(client):
    client.put("/v1/queues/jobs", {"mode": "pull", "retry": {"min_backoff": "0.01s"}})
    return "jobs"


def test_the_response_of_a_target_is_the_result(client, make_target):
    answer = Answer(200, {"Content-Type": "text/plain", "X-Took": "3", "X-Other": "no"}, body=b"done: \xc3\xbc")
    target = make_target(lambda push: answer)
    task = client.add("default", url=target.url(), keep_result="1h", result_headers=["X-Took"], name="n")
    told = result(client, "default", "n")
    assert (told["id"], told["state"], told["last_status"], told["attempts"]) == (task["id"], "succeeded", 200, 1)
    assert told["result"]["body"] == "done: ü"
    assert {name.lower(): value for name, value in told["result"]["headers"].items()} == {"content-type": "text/plain", "x-took": "3"}
    with pytest.raises(Refused) as gone:
        client.get("/v1/queues/default/tasks/n")
    assert gone.value.status == 404
    stats = client.stats("default")
    assert stats["results"] == 1 and stats["result_bytes"] > 0


def test_a_long_response_is_cut_and_says_so(client, make_target):
    target = make_target(lambda push: Answer(200, body=b"x" * ((1 << 20) + 1)))
    task = client.add("default", url=target.url(), keep_result="1h")
    told = result(client, "default", task["id"])
    assert told["result"]["truncated"] is True and len(told["result"]["body"]) == 1 << 20


def test_what_responses_may_take_at_once_is_a_setting(make_server, make_target):
    client = make_server("--push-results-bytes-max", "64KiB").client
    target = make_target(lambda push: Answer(200, body=b"x" * (30_000 if push.path == "/short" else 100_000)))
    for path, truncated in (("/short", None), ("/long", True), ("/short", None)):
        task = client.add("default", url=target.url(path), keep_result="1h")
        assert result(client, "default", task["id"])["result"].get("truncated") == truncated


def test_a_caller_waits_for_what_its_worker_answers(client, server, jobs):
    task = client.add(jobs, body="6*7", keep_result="1h")
    assert result(client, jobs, task["id"], wait="0s")["state"] == "pending"
    told: list[dict] = []
    caller = threading.Thread(target=lambda: told.append(result(Client(server.port), jobs, task["id"])))
    caller.start()
    (leased,) = lease(client, jobs, worker="host/1")
    assert leased["keep_result"] == "1h"
    assert client.get(f"/v1/queues/{jobs}/tasks/{task['id']}")["worker"] == "host/1"
    end(client, jobs, "ack", leased, worker="host/1", result={"json": 42},
        usage={"cpu": 0.25, "wall": "1s", "memory_peak": 4096, "cause": "exited"})
    caller.join(20)
    assert told[0]["state"] == "succeeded" and told[0]["result"]["body"] == "42"
    assert told[0]["worker"] == "host/1" and told[0]["usage"]["cpu"] == 0.25
    usage = client.stats(jobs)["usage"]
    assert usage["cpu"] == 0.25 and usage["memory_peak_max"] == 4096 and usage["causes"]["exited"] == 1


def test_results_of_many_are_asked_for_in_one_call(client, jobs):
    ids = [client.add(jobs, keep_result="1h")["id"] for _ in range(3)]
    leased = {task["id"]: task for task in lease(client, jobs)}
    end(client, jobs, "ack", leased[ids[1]], result={"body": "one"})
    told = client.post(f"/v1/queues/{jobs}/tasks:results", {"ids": [*ids, "none"], "wait": "10s"})
    assert told["pending"] == 2
    by_id = {one["id"]: one for one in told["results"]}
    assert set(by_id) == {ids[1], "none"}
    assert by_id[ids[1]]["result"]["body"] == "one" and by_id["none"]["error"]["code"] == 404


def test_what_does_not_fit_into_one_answer_is_asked_for_again(client, jobs):
    ids = [client.add(jobs, keep_result="1h")["id"] for _ in range(40)]
    for task in lease(client, jobs, max=40):
        end(client, jobs, "ack", task, result={"body": "x" * (1 << 20)})
    left, calls = set(ids), 0
    while left:
        told = client.post(f"/v1/queues/{jobs}/tasks:results", {"ids": sorted(left), "wait": "10s"})
        assert told["results"] and told["pending"] == len(left) - len(told["results"])
        left -= {one["id"] for one in told["results"]}
        calls += 1
    assert calls == 2


def test_who_keeps_no_result_is_told_so(client, jobs):
    plain = client.add(jobs)
    with pytest.raises(Refused) as refused:
        result(client, jobs, plain["id"], wait="0s")
    assert refused.value.status == 400 and refused.value.error["status"] == "FAILED_PRECONDITION"


def test_a_result_is_forgotten_when_it_said(client, jobs):
    task = client.add(jobs, keep_result="1s")
    (leased,) = lease(client, jobs)
    end(client, jobs, "ack", leased, result={"body": "x"})
    assert result(client, jobs, task["id"])["state"] == "succeeded"

    def forgotten() -> bool:
        try:
            result(client, jobs, task["id"], wait="0s")
        except Refused as refused:
            return refused.status == 404
        return False

    wait_until(forgotten, "the result to be forgotten")
    wait_until(lambda: client.stats(jobs)["results"] == 0, "its bytes to be given back")


def test_results_are_bounded_in_bytes(client, jobs):
    client.put(f"/v1/queues/{jobs}", {"results": {"max_bytes": 100_000}})
    ids = []
    for i in range(20):
        ids.append(client.add(jobs, keep_result="1h")["id"])
        (leased,) = lease(client, jobs)
        end(client, jobs, "ack", leased, result={"body": f"{i:2}" * 5_000})
    wait_until(lambda: client.stats(jobs)["result_bytes"] <= 100_000, "the first results to go")
    assert result(client, jobs, ids[-1], wait="0s")["result"]["body"].startswith("19")
    with pytest.raises(Refused):
        result(client, jobs, ids[0], wait="0s")


# An outcome is shown when it is on disk: so what was shown once is shown after a kill as well.
def test_what_was_shown_is_shown_after_kill_9(server, client, make_target):
    target = make_target(lambda push: Answer(200, body=b"pushed"))
    client.put("/v1/queues/jobs", {"mode": "pull"})
    for i in range(5):
        pushed = client.add("default", url=target.url(), keep_result="1h", name=f"p{i}")
        client.add("jobs", keep_result="1h", name=f"w{i}")
        (leased,) = lease(client, "jobs")
        end(client, "jobs", "ack", leased, result={"body": f"leased {i}"})
        shown = result(client, "default", pushed["id"])
        server.kill()
        server.start()
        assert result(client, "default", pushed["id"], wait="0s") == shown
        # Acknowledged, and nobody asked before the kill.
        assert result(client, "jobs", f"w{i}", wait="0s")["result"]["body"] == f"leased {i}"
    assert (client.stats("default")["results"], client.stats("jobs")["results"]) == (5, 5)


def test_history_tells_of_each_attempt(client, jobs):
    client.add(jobs, keep_result="1h", name="n")
    for attempt in range(2):
        (leased,) = wait_until(lambda: lease(client, jobs, worker="host/1"), "the task")
        end(client, jobs, "release", leased, error=f"exit code {attempt}", log="line\n",
            usage={"cause": "exited", "code": attempt})
    history = client.get(f"/v1/queues/{jobs}/tasks/n")["history"]
    assert [(one["attempt"], one["failure"], one["error"]) for one in history] == [
        (1, "released", "exit code 0"), (2, "released", "exit code 1")]
    assert history[1]["log"] == "line\n" and history[1]["usage"]["code"] == 1
    (leased,) = wait_until(lambda: lease(client, jobs), "the task")
    end(client, jobs, "ack", leased)
    told = result(client, jobs, "n", history="true")
    assert [one["attempt"] for one in told["history"]] == [1, 2]


def test_a_callback_arrives_for_each_outcome(client, make_target):
    calls = make_target(lambda push: 200)
    targets = make_target(lambda push: 200 if push.path == "/good" else 500)
    url = calls.url("/done")
    client.put("/v1/queues/mail", {"retry": {"max_attempts": 2, "min_backoff": "0.01s"}})
    client.add("mail", url=targets.url("/good"), callback_url=url, name="good")
    client.add("mail", url=targets.url("/bad"), callback_url=url, name="bad")
    client.add("mail", url=targets.url("/good"), callback_url=url, name="late", delay="1h")
    client.post("/v1/queues/mail/tasks/late:cancel")
    wait_until(lambda: len(calls.pushes) >= 3 and client.stats("mail")["tasks"] == 0, "three callbacks, and all to end")
    told = {body["name"]: body for body in map(json.loads, calls.bodies())}
    assert {name: one["state"] for name, one in told.items()} == {"good": "succeeded", "bad": "failed", "late": "cancelled"}
    assert told["bad"]["reason"] == "attempts" and told["bad"]["last_status"] == 500
    assert all(push.method == "POST" and push.headers["content-type"] == "application/json" for push in calls.pushes)
    assert len(calls.pushes) == 3


def test_a_callback_of_a_pull_task_goes_by_a_push_queue(client, make_target, jobs):
    calls = make_target(lambda push: 200)
    client.put("/v1/queues/calls", {})
    client.add(jobs, callback_url=calls.url("/acked"), name="acked")
    client.add(jobs, callback_url=calls.url("/failed"), callback_queue="calls", name="failed")
    by_name = {task["name"]: task for task in lease(client, jobs)}
    end(client, jobs, "ack", by_name["acked"], result={"body": "42"})
    end(client, jobs, "fail", by_name["failed"], error="no such user")
    wait_until(lambda: len(calls.pushes) >= 2, "both callbacks")
    told = {push.path: json.loads(push.body) for push in calls.pushes}
    assert told["/acked"]["queue"] == jobs and told["/acked"]["result"]["body"] == "42"
    assert told["/failed"]["state"] == "failed" and told["/failed"]["error"] == "no such user"
    assert {push.path: push.headers["x-deferd-queue"] for push in calls.pushes} == {"/acked": "default", "/failed": "calls"}
    wait_until(lambda: all(client.stats(queue)["tasks"] == 0 for queue in ("default", "calls", jobs)), "all to end")
    assert len(calls.pushes) == 2


def test_cancelling_closes_the_connection_of_a_running_push(client, make_target):
    target = make_target(lambda push: Answer(hang=True))
    task = client.add("default", url=target.url(), keep_result="1h")
    wait_until(lambda: target.pushes, "the push")
    cancelled = client.post(f"/v1/queues/default/tasks/{task['id']}:cancel")
    assert cancelled["state"] == "in_flight"
    wait_until(lambda: target.pushes[0].closed_at, "the target to see the end of the connection")
    assert result(client, "default", task["id"])["state"] == "cancelled"
    wait_until(lambda: client.stats("default")["in_flight"] == 0, "the slot to be free")
    assert client.stats("default")["cancelled_total"] == 1
    with pytest.raises(Refused) as again:
        client.post(f"/v1/queues/default/tasks/{task['id']}:cancel")
    assert again.value.status == 404


def test_a_worker_is_told_that_its_task_is_cancelled(client, server, jobs):
    task = client.add(jobs, keep_result="1h")
    (leased,) = lease(client, jobs, worker="host/1", lease="60s")
    told: list[list[str]] = []
    body = {"ids": [task["id"]], "wait": "20s"}
    worker = threading.Thread(
        target=lambda: told.append(Client(server.port).post(f"/v1/queues/{jobs}/tasks:watch", body)["ended"]))
    worker.start()
    begun = time.monotonic()
    client.post(f"/v1/queues/{jobs}/tasks/{task['id']}:cancel")
    worker.join(20)
    assert told == [[task["id"]]] and time.monotonic() - begun < 5
    lost = client.post(f"/v1/queues/{jobs}/tasks:renew", {"tasks": [{"id": leased["id"], "lease_token": leased["lease_token"]}]})
    assert lost["results"][0]["error"]["code"] in (404, 409)


def test_defer_adds_waits_and_cancels(defer, client, jobs, make_target):
    target = make_target(lambda push: Answer(200, body=b"hello"))
    told = json.loads(defer("add", "default", target.url(), "--keep-result", "1h", "--wait"))
    assert told["state"] == "succeeded" and told["result"]["body"] == "hello"
    assert defer("result", "default", told["id"], "--body") == "hello"
    task = client.add(jobs, keep_result="1h")
    defer("result", jobs, task["id"], expect=4)
    assert json.loads(defer("cancel", jobs, task["id"]))["id"] == task["id"]
    assert json.loads(defer("result", jobs, task["id"], "--wait", "10s", expect=1))["state"] == "cancelled"
