"""Client against a real server."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from deferd import (
    Affected,
    AlreadyExists,
    ApiError,
    Client,
    FailedPrecondition,
    InvalidArgument,
    LeaseLost,
    NewTask,
    NotFound,
    Outcome,
    Report,
    Task,
    Usage,
)


def test_a_queue_is_made_changed_shown_and_deleted(client: Client) -> None:
    made = client.put_queue("life", rate="5/s", timeout=timedelta(seconds=90), retry={"min_backoff": timedelta(seconds=2)})
    assert (made.name, made.mode, made.state) == ("life", "push", "running")
    assert (made.raw["timeout"], made.raw["retry"]["min_backoff"]) == ("1m30s", "2s")
    assert client.put_queue("life", burst=7).raw["rate"] == "5/s"
    assert client.get_queue("life").raw["burst"] == 7
    assert client.pause_queue("life").state == "paused"
    assert client.resume_queue("life").state == "running"
    assert client.purge_queue("life").raw["purged"]
    assert "life" in [queue.name for queue in client.queues()]
    client.delete_queue("life")
    with pytest.raises(NotFound) as refused:
        client.get_queue("life")
    assert (refused.value.code, refused.value.status) == (404, "NOT_FOUND")


def test_a_queue_has_a_whole_name_too(client: Client, queue: str) -> None:
    assert client.get_queue(f"projects/default/locations/local/queues/{queue}").name == queue


def test_a_task_is_added_found_listed_and_deleted(client: Client, queue: str) -> None:
    eta = datetime.now(timezone.utc) + timedelta(hours=1)
    task = client.add_task(queue, body="hello", name="one", eta=eta, priority=7, key="k")
    assert (task.name, task.state, task.priority, task.key, task.eta) == ("one", "scheduled", 7, "k", eta)
    found = client.get_task(queue, "one")
    assert (found.id, found.body, found.text) == (task.id, b"hello", "hello")
    assert [one.body for one in client.tasks(queue)] == [None]
    assert [one.body for one in client.tasks(queue, full=True, state="scheduled")] == [b"hello"]
    client.delete_task(queue, task)
    with pytest.raises(NotFound):
        client.get_task(queue, "one")


def test_bodies_are_text_bytes_or_json(client: Client, queue: str) -> None:
    for members in ({"body": "ä"}, {"body": b"\xff\x00"}, {"json": {"a": [1, None]}}, {}):
        client.add_task(queue, **members)
    text, raw, value, none = client.lease_tasks(queue, max=4)
    assert (text.text, raw.body, value.json(), none.body) == ("ä", b"\xff\x00", {"a": [1, None]}, b"")


def test_a_batch_says_of_each_task_how_it_went(client: Client, queue: str) -> None:
    first, second, third = client.add_tasks(queue, [NewTask(name="a"), NewTask(name="a"), NewTask(body="x", delay=5)])
    assert isinstance(first, Task) and isinstance(third, Task)
    assert isinstance(second, AlreadyExists)


def test_more_than_a_page_is_walked_through(client: Client, queue: str) -> None:
    client.add_tasks(queue, [NewTask() for _ in range(250)])
    assert len({task.id for task in client.tasks(queue)}) == 250
    page = client.list_tasks(queue, page_size=200)
    assert len(page.items) == 200 and page.next_token


def test_leases_are_acknowledged_renewed_and_released(client: Client, queue: str) -> None:
    client.add_tasks(queue, [NewTask(body=str(i)) for i in range(3)])
    done, kept, back = client.lease_tasks(queue, max=10, lease=timedelta(minutes=1))
    assert done.lease_token and done.lease_expires
    assert [one.error for one in client.ack_tasks(queue, [done])] == [None]
    (renewed,) = client.renew_leases(queue, [kept], "5m")
    assert renewed.task and renewed.task.lease_expires and renewed.task.lease_expires > done.lease_expires
    assert client.release_tasks(queue, [back], delay=0)[0].error is None
    assert [task.id for task in client.lease_tasks(queue, max=10)] == [back.id]
    (late,) = client.ack_tasks(queue, [back])
    assert isinstance(late.error, LeaseLost)


def test_a_lease_waits_for_a_first_task(client: Client, queue: str) -> None:
    client.add_task(queue, body="x", delay=0.3)
    assert [task.text for task in client.lease_tasks(queue, wait="10s")] == ["x"]


def test_statistics_count(client: Client, queue: str) -> None:
    client.add_tasks(queue, [NewTask(), NewTask(delay="1h")])
    client.lease_tasks(queue)
    stats = client.stats(queue)
    assert (stats.tasks, stats.leased, stats.scheduled, stats.ready) == (2, 1, 1, 0)


def test_run_starts_a_push_at_once(client: Client) -> None:
    client.put_queue("push")
    task = client.add_task("push", url="http://127.0.0.1:9/", delay="1h")
    assert client.run_task("push", task).attempts == 1


def test_files_are_applied_and_planned(client: Client) -> None:
    text = "queue:\n- name: from-file\n  rate: 5/s\n"
    plan = client.apply_queues(text, plan=True)
    assert not plan.applied and {"queue": "from-file", "action": "make"}.items() <= plan.entries[0].items()
    assert client.apply_cron("cron:\n- url: /x\n  schedule: every 5 minutes\n").applied
    (job,) = client.list_cron()
    assert (job.url, len(job.next_runs)) == ("/x", 5)
    client.apply_cron("cron: []\n")
    assert client.list_cron() == []


def test_the_server_says_how_it_is(client: Client) -> None:
    client.check_ready()
    assert "# TYPE" in client.metrics()
    assert client.config()["settings"] or client.config()


def test_a_refusal_names_the_member(client: Client, queue: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        client.put_queue(queue, retry={"max_attempts": 0})
    assert refused.value.field == "retry.max_attempts"
    assert "max_attempts" in str(refused.value)
    with pytest.raises(ApiError):
        client.add_task(queue, url="http://example.com")  # a pull queue takes none


def test_an_instant_without_a_zone_is_refused_before_anything_is_sent(client: Client, queue: str) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        client.add_task(queue, eta=datetime(2030, 1, 1))


# ---- Results, cancelling, dead letters


def test_an_outcome_is_waited_for_and_kept(client: Client, queue: str) -> None:
    task = client.add_task(queue, body="x", name="one", keep_result=timedelta(hours=1))
    waiting = client.get_result(queue, "one", wait=0.1)
    assert (waiting.pending, waiting.task_state, waiting.id) == (True, "ready", task.id)
    (leased,) = client.lease_tasks(queue, worker="host/1")
    usage = Usage(cpu=0.25, wall=1.5, memory_peak=4096, cause="exited", code=0)
    client.ack_tasks(queue, [leased], [Report(result="ä", content_type="text/plain", log="a log", usage=usage)], worker="host/1")
    outcome = client.get_result(queue, task, wait="30s", history=True)
    assert (outcome.state, outcome.text, outcome.headers["Content-Type"], outcome.attempts) == ("succeeded", "ä", "text/plain", 1)
    assert outcome.ended and outcome.kept_until and outcome.kept_until - outcome.ended == timedelta(hours=1)
    assert (outcome.worker, outcome.usage) == ("host/1", usage)
    assert [(one.attempt, one.worker, one.log) for one in outcome.history] == [(1, "host/1", "a log")]


def test_many_outcomes_are_asked_for_at_once(client: Client, queue: str) -> None:
    ids = [task.id for task in client.add_tasks(queue, [NewTask(keep_result="1m", name=name) for name in "abc"]) if isinstance(task, Task)]
    for task, report in zip(client.lease_tasks(queue, max=2), (Report(result=b"\xff\0"), Report(result="no", error="broken"))):
        (client.ack_tasks if report.error is None else client.fail_tasks)(queue, [task], [report])
    found = client.get_results(queue, [ids[0], "b", "c", "nobody"], wait="10s")
    first, second, unknown = found.ended[ids[0]], found.ended["b"], found.ended["nobody"]
    assert isinstance(first, Outcome) and isinstance(second, Outcome)
    assert (first.state, first.body, second.state, second.text, second.error, second.reason) == (
        "succeeded", b"\xff\0", "failed", "no", "broken", "failed")
    assert isinstance(unknown, NotFound) and found.pending == 1 and "c" not in found.ended


def test_no_outcome_is_kept_unless_it_is_asked_for(client: Client, queue: str) -> None:
    with pytest.raises(FailedPrecondition):
        client.get_result(queue, client.add_task(queue, body="x"))
    with pytest.raises(NotFound):
        client.get_result(queue, "nobody")


def test_a_cancelled_task_is_gone_and_those_who_watch_are_told(client: Client, queue: str) -> None:
    task = client.add_task(queue, body="x", keep_result="1m")
    (leased,) = client.lease_tasks(queue)
    assert client.watch_tasks(queue, [leased], wait=0.1) == []
    assert client.cancel_task(queue, task).state == "leased"
    assert client.watch_tasks(queue, [leased], wait="10s") == [task.id]
    assert client.get_result(queue, task).state == "cancelled"
    (late,) = client.ack_tasks(queue, [leased])
    assert isinstance(late.error, NotFound)
    with pytest.raises(NotFound):
        client.cancel_task(queue, task)


def test_what_is_released_says_why(client: Client, queue: str) -> None:
    task = client.add_task(queue, body="x")
    client.release_tasks(queue, client.lease_tasks(queue, worker="w/1"), 0, [Report(error="not now")], worker="w/1")
    shown = client.get_task(queue, task)
    assert [(one.failure, one.error, one.worker) for one in shown.history] == [("released", "not now", "w/1")]
    with pytest.raises(ValueError, match="0 reports for 1 tasks"):
        client.ack_tasks(queue, [shown], [])


def test_dead_letters_are_listed_shown_retried_and_deleted(client: Client, queue: str) -> None:
    client.put_queue(queue, dead={"keep": "1d"})
    client.add_tasks(queue, [NewTask(body=str(n), key="even" if n % 2 == 0 else "odd") for n in range(6)])
    tasks = client.lease_tasks(queue, max=6)
    client.fail_tasks(queue, tasks, [Report(error=f"error {task.text}") for task in tasks])
    assert client.stats(queue).dead == 6
    dead = list(client.dead_tasks(queue, reason="failed"))
    assert sorted(client.get_dead(queue, one).error or "" for one in dead) == [f"error {n}" for n in range(6)]
    assert len(list(client.dead_tasks(queue, key="even"))) == 3 and not list(client.dead_tasks(queue, reason="age"))
    shown = client.get_dead(queue, tasks[0])
    assert (shown.body, shown.reason, [one.error for one in shown.history]) == (b"0", "failed", ["error 0"])
    alive = client.retry_dead(queue, shown)
    assert (alive.state, alive.attempts) == ("ready", 0)
    client.delete_dead(queue, tasks[1])
    with pytest.raises(NotFound):
        client.get_dead(queue, tasks[1])
    assert client.retry_all_dead(queue, key="even", plan=True) == Affected(matched=2, done=0)
    assert client.retry_all_dead(queue, key="even") == Affected(matched=2, done=2)
    assert client.delete_all_dead(queue, since=datetime(2020, 1, 1, tzinfo=timezone.utc)) == Affected(matched=2, done=2)
    assert client.stats(queue).dead == 0
    with pytest.raises(TypeError, match="colour is no filter"):
        client.list_dead(queue, colour="red")
