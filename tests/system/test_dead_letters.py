"""Dead letters, end to end: what could not be done is kept, shown, tried again, handed on, and bounded."""

from __future__ import annotations

import json
import os
import pty
import subprocess

import pytest
from harness import DEFER, Client, Refused, clean_environment, wait_until


@pytest.fixture
def jobs(client):
    client.put("/v1/queues/jobs", {"mode": "pull", "retry": {"min_backoff": "0.01s"}})
    return "jobs"


def lease(client: Client, queue: str, **options) -> list[dict]:
    return client.post(f"/v1/queues/{queue}/tasks:lease", {"max": 10} | options)["tasks"]


def end(client: Client, queue: str, verb: str, task: dict, **report) -> None:
    body = {"tasks": [{"id": task["id"], "lease_token": task["lease_token"]} | report]}
    (answer,) = client.post(f"/v1/queues/{queue}/tasks:{verb}", body)["results"]
    assert "error" not in answer, answer


def fail(client: Client, queue: str, error: str = "no", **task) -> str:
    """A task that is added and fails for good; its id."""
    added = client.add(queue, **task)
    (leased,) = wait_until(lambda: lease(client, queue, max=1), "the task")
    assert leased["id"] == added["id"]
    end(client, queue, "fail", leased, error=error, log="one\ntwo\n")
    return added["id"]


def dead(client: Client, queue: str, query: str = "") -> list[dict]:
    return client.get(f"/v1/queues/{queue}/dead?{query}")["tasks"]


def test_what_ran_out_of_attempts_is_kept_and_can_be_tried_again(client, make_target):
    good = False
    target = make_target(lambda push: 200 if good else 503)
    client.put("/v1/queues/mail", {"retry": {"max_attempts": 2, "min_backoff": "0.01s"}})
    task = client.add("mail", url=target.url(), body="letter", name="n", key="k", priority=7)
    (shown,) = wait_until(lambda: dead(client, "mail"), "the task to be dead")
    assert (shown["id"], shown["name"], shown["reason"], shown["priority"]) == (task["id"], "n", "attempts", 7)
    assert (shown["attempts"], shown["last_status"]) == (2, 503)
    assert "body" not in shown and dead(client, "mail", "view=full")[0]["body"] == "letter"
    one = client.get("/v1/queues/mail/dead/n")
    assert one["body"] == "letter" and [attempt["status"] for attempt in one["history"]] == [503, 503]
    with pytest.raises(Refused) as alive:
        client.get("/v1/queues/mail/tasks/n")
    assert alive.value.status == 404
    stats = client.stats("mail")
    assert (stats["tasks"], stats["dead"], stats["dead_total"]) == (0, 1, 1) and stats["dead_bytes"] > 0

    good = True
    again = client.post("/v1/queues/mail/dead/n:retry")
    assert again["id"] == task["id"] and again["attempts"] == 0
    wait_until(lambda: client.stats("mail")["tasks"] == 0, "the task to end")
    assert dead(client, "mail") == [] and client.stats("mail")["dead"] == 0
    assert target.pushes[-1].body == b"letter"


def test_dead_letters_survive_kill_9(client, server, jobs):
    ids = [fail(client, jobs, body=f"{i}") for i in range(5)]
    server.kill()
    server.start()
    assert [task["id"] for task in dead(client, jobs)] == ids
    one = client.get(f"/v1/queues/{jobs}/dead/{ids[0]}")
    assert one["error"] == "no" and one["history"][0]["log"] == "one\ntwo\n" and one["body"] == "0"


def test_a_list_is_filtered_and_comes_in_pages(client, jobs):
    ids = [fail(client, jobs, key="ab"[i % 2]) for i in range(6)]
    assert [task["id"] for task in dead(client, jobs, "key=b")] == ids[1::2]
    assert [task["id"] for task in dead(client, jobs, "reason=failed&failure=failed")] == ids
    assert dead(client, jobs, "reason=poison") == []
    assert dead(client, jobs, "until=2020-01-01T00:00:00Z") == []
    walked, token = [], ""
    while True:
        page = client.get(f"/v1/queues/{jobs}/dead?page_size=4" + token)
        walked += [task["id"] for task in page["tasks"]]
        if "next_page_token" not in page:
            break
        token = "&page_token=" + page["next_page_token"]
    assert walked == ids


def test_many_are_retried_and_deleted_by_filter(client, jobs):
    ids = [fail(client, jobs, key="ab"[i % 2]) for i in range(10)]
    path = f"/v1/queues/{jobs}/dead"
    assert client.post(path + ":retry", {"key": "a", "plan": True}) == {"matched": 5}
    assert client.post(path + ":retry", {"key": "a"}) == {"matched": 5, "retried": 5}
    assert sorted(task["id"] for task in client.tasks(jobs)) == ids[0::2]
    client.delete(f"{path}/{ids[1]}")
    assert client.post(path + ":delete") == {"matched": 4, "deleted": 4}
    assert dead(client, jobs) == [] and client.stats(jobs)["dead_bytes"] == 0


def test_defer_lists_shows_retries_and_removes(client, defer, jobs, server):
    ids = [fail(client, jobs, error="no such user", name=f"n{i}") for i in range(3)]
    assert [json.loads(line)["id"] for line in defer("dead", "ls", jobs, "--since", "1h").splitlines()] == ids
    shown = defer("dead", "show", jobs, "n0", "--table")
    assert "no such user" in shown and "log of attempt 1:\n  one\n  two\n" in shown
    assert json.loads(defer("dead", "retry", jobs, "n0"))["state"] == "ready"
    assert json.loads(defer("dead", "retry", jobs, "--reason", "failed")) == {"matched": 2, "retried": 2}
    fail(client, "jobs", name="again", priority=9)
    # On a terminal it says how many, and asks.
    mine, theirs = pty.openpty()
    asked = subprocess.run([str(DEFER), "dead", "rm", jobs, "--all"], stdin=theirs, capture_output=True, text=True, timeout=60,
                           env=clean_environment(DEFERD_URL=f"http://127.0.0.1:{server.port}"),
                           preexec_fn=lambda: os.write(mine, b"n\n"))
    os.close(mine)
    os.close(theirs)
    assert asked.returncode == 1 and "delete 1 dead letter of queue jobs? [y/N]" in asked.stderr
    defer("dead", "rm", jobs, "again")
    assert defer("dead", "ls", jobs) == ""


def test_a_task_whose_workers_die_is_dead_before_its_attempts_are_used_up(client, jobs):
    client.put(f"/v1/queues/{jobs}", {"poison_after": 2})
    client.add(jobs, name="reported")
    for _ in range(2):
        (leased,) = wait_until(lambda: lease(client, jobs, worker="host/1"), "the task")
        end(client, jobs, "release", leased, error="killed by signal 11", usage={"cause": "signalled", "signal": 11})
    (shown,) = wait_until(lambda: dead(client, jobs), "the task to be dead")
    assert (shown["name"], shown["reason"]) == ("reported", "poison")
    client.add(jobs, name="vanished")
    for _ in range(2):
        wait_until(lambda: lease(client, jobs, worker="host/1", lease="0.05s"), "the task")
    wait_until(lambda: len(dead(client, jobs, "reason=poison")) == 2, "the second to be dead")
    # Nobody said that they would report: a lease that ends is only a lease that ended.
    client.add(jobs, name="plain")
    for _ in range(3):
        wait_until(lambda: lease(client, jobs, lease="0.05s"), "the task")
    (again,) = wait_until(lambda: lease(client, jobs), "the task")
    assert again["name"] == "plain"
    assert client.stats(jobs)["poisoned_total"] == 2


def test_dead_letters_go_on_to_another_queue(client, make_target):
    target = make_target(lambda push: 500 if push.path == "/first" else 200)
    client.put("/v1/queues/graves", {"mode": "push", "rate": "0"})
    client.put("/v1/queues/mail", {"retry": {"max_attempts": 1}, "dead": {"queue": "graves"}})
    client.add("mail", url=target.url("/first"), body="letter", key="k", priority=3)
    (moved,) = wait_until(lambda: client.tasks("graves", view="full"), "the task to be handed on")
    assert (moved["body"], moved["key"], moved["priority"], moved["attempts"]) == ("letter", "k", 3, 0)
    stats = wait_until(lambda: (stats := client.stats("mail"))["dead"] == 0 and stats, "it to have left")
    assert (stats["forwarded_total"], stats["forward_error"]) == (1, None)
    assert dead(client, "mail") == []


def test_a_dead_letter_waits_for_the_queue_that_it_goes_to(client, server, make_target):
    target = make_target(lambda push: 500)
    client.put("/v1/queues/mail", {"retry": {"max_attempts": 1}, "dead": {"queue": "later"}})
    client.add("mail", url=target.url(), body="letter")
    wait_until(lambda: client.stats("mail")["dead"] == 1, "the task to be dead")
    error = wait_until(lambda: client.stats("mail")["forward_error"], "the refusal")
    assert "later" in error
    refused = 'deferd_queue_forward_refused{project="default",location="local",queue="mail"} 1\n'
    wait_until(lambda: refused in client.raw("GET", "/metrics")[2].decode(), "the refusal among the metrics")
    server.kill()
    server.start()
    client.put("/v1/queues/later", {"rate": "0"})
    wait_until(lambda: client.tasks("later"), "the task to be handed on", seconds=60)
    wait_until(lambda: client.stats("mail")["dead"] == 0, "it to have left")
    assert len(client.tasks("later")) == 1


def test_dead_letters_are_bounded_in_time_and_bytes(client, jobs):
    client.put(f"/v1/queues/{jobs}", {"dead": {"max_bytes": 50_000}})
    ids = [fail(client, jobs, body="x" * 10_000) for _ in range(10)]
    wait_until(lambda: client.stats(jobs)["dead_bytes"] <= 50_000, "the oldest to go")
    left = [task["id"] for task in dead(client, jobs)]
    assert left and left == ids[-len(left):]
    client.put(f"/v1/queues/{jobs}", {"dead": {"keep": "0.1s"}})
    wait_until(lambda: client.stats(jobs)["dead"] == 0, "all to go")
    client.put(f"/v1/queues/{jobs}", {"dead": {"keep": "0s"}})
    fail(client, jobs)
    assert dead(client, jobs) == []


def test_a_purge_ends_dead_letters_too(client, jobs):
    fail(client, jobs)
    client.post(f"/v1/queues/{jobs}:purge")
    assert dead(client, jobs) == []
    wait_until(lambda: client.stats(jobs)["dead"] == 0, "them to be gone")
