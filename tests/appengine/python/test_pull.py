"""Pull queues by the SDK: leases, tags, extensions, deletion."""

from __future__ import annotations

import time

import pytest
from sdk import rpc
from google.appengine.api import taskqueue
from google.appengine.api.taskqueue import taskqueue_service_bytes_pb2 as pb
from harness import wait_until


def pull_task(payload: bytes | str = b"x", **more) -> taskqueue.Task:
    return taskqueue.Task(payload=payload, method="PULL", **more)


def test_a_lease_gives_payload_tag_and_count_and_ends(deferd, pull):
    """GAE-121 GAE-122 GAE-130: leased once, not again before its end, and again after it."""
    payload = bytes(range(256))
    pull.add(pull_task(payload, tag="t", name="leased"))
    before = time.time()
    leased, = pull.lease_tasks(2, 10)
    assert (leased.name, leased.payload, leased.tag, leased.retry_count) == ("leased", payload, "t", 1)
    assert before + 1.99 <= leased.eta_posix <= time.time() + 2.0
    assert pull.lease_tasks(2, 10) == []
    again = wait_until(lambda: pull.lease_tasks(60, 10), "the lease to end")
    assert (again[0].name, again[0].retry_count) == ("leased", 2)
    assert time.time() >= leased.eta_posix


def test_an_empty_queue_gives_an_empty_list_at_once(deferd, pull):
    """GAE-123: nothing is waited for."""
    begun = time.monotonic()
    assert pull.lease_tasks(60, 1000) == []
    assert time.monotonic() - begun < 1


def test_leases_come_in_order_of_eta_and_delayed_tasks_wait(deferd, pull):
    """GAE-118: by ETA, and never before it."""
    pull.add([pull_task(str(n), countdown=0.3 - n * 0.1) for n in range(3)] + [pull_task("later", countdown=600)])
    wait_until(lambda: pull.fetch_statistics().oldest_eta_usec < (time.time() - 0.3) * 1e6, "three tasks to be due")
    assert [task.payload for task in pull.lease_tasks(60, 10)] == [b"2", b"1", b"0"]


def test_leases_by_tag(deferd, pull):
    """GAE-119 GAE-120: of one tag, of the oldest task's tag, and of those without one."""
    pull.add(pull_task("a1", tag="a"))
    pull.add(pull_task("b1", tag="b"))
    pull.add(pull_task("a2", tag="a"))
    pull.add(pull_task("none"))
    assert [task.payload for task in pull.lease_tasks_by_tag(60, 10, tag="b")] == [b"b1"]
    assert [task.payload for task in pull.lease_tasks_by_tag(60, 10)] == [b"a1", b"a2"]
    oldest = pull.lease_tasks_by_tag(60, 10)
    assert [(task.payload, task.tag) for task in oldest] == [(b"none", None)]
    assert pull.lease_tasks_by_tag(60, 10, tag="nobody") == []


def test_at_most_max_tasks(deferd, pull):
    """GAE-116: a thousand at once are a full lease."""
    for _ in range(11):
        pull.add([pull_task() for _ in range(100)])
    assert len(pull.lease_tasks(60, 1000)) == 1000
    assert len(pull.lease_tasks(60, 7)) == 7
    assert len(pull.lease_tasks(60, 1000)) == 93


def test_a_lease_is_extended_twice_and_given_back(deferd, pull):
    """GAE-126 GAE-128: the SDK keeps the new ETA in the task; nothing is counted; 0 seconds give back."""
    pull.add(pull_task())
    task, = pull.lease_tasks(30, 1)
    for seconds in (60, 90):
        before = time.time()
        pull.modify_task_lease(task, seconds)
        assert before + seconds - 0.01 <= task.eta_posix <= time.time() + seconds
    stored = rpc("FetchTask", pb.TaskQueueFetchTaskRequest(queue_name=pull.name.encode(), task_name=task.name.encode()))
    assert stored.task.task[0].eta_usec == round(task.eta_posix * 1e6)
    assert pull.lease_tasks(30, 1) == []
    pull.modify_task_lease(task, 0)
    again, = pull.lease_tasks(30, 1)
    assert (again.name, again.retry_count) == (task.name, 2)


def test_a_lost_lease_is_refused(deferd, pull):
    """GAE-127: after its end, and after another has it."""
    pull.add(pull_task())
    late, = pull.lease_tasks(0.05, 1)
    owner = wait_until(lambda: pull.lease_tasks(60, 1), "the lease to end")[0]
    with pytest.raises(taskqueue.TaskLeaseExpiredError):
        pull.modify_task_lease(late, 60)
    pull.modify_task_lease(owner, 60)


def test_delete_needs_no_lease(deferd, pull):
    """GAE-080 GAE-082 GAE-083: live, deleted, unknown; and the lease is lost with the task."""
    tasks = pull.add([pull_task(name=f"delete-{n}") for n in range(3)])
    leased = pull.lease_tasks(60, 1)[0]
    deleted = pull.delete_tasks(tasks)
    assert [task.was_deleted for task in deleted] == [True] * 3
    with pytest.raises(taskqueue.Error, match="^$|.*"):
        pull.modify_task_lease(leased, 60)
    again = pull.delete_tasks_by_name(["delete-0", "never-there"])
    assert [task.was_deleted for task in again] == [False, False]
    answer = rpc("Delete", pb.TaskQueueDeleteRequest(queue_name=pull.name.encode(), task_name=[b"delete-0", b"never-there"]))
    assert list(answer.result) == [pb.TaskQueueServiceError.TOMBSTONED_TASK, pb.TaskQueueServiceError.UNKNOWN_TASK]


def test_a_thousand_names_in_one_delete(deferd, pull):
    """GAE-085: what a full lease gives can be deleted at once."""
    for _ in range(10):
        pull.add([pull_task() for _ in range(100)])
    leased = pull.lease_tasks(60, 1000)
    assert all(task.was_deleted for task in pull.delete_tasks(leased))
    assert pull.fetch_statistics().tasks == 0


def test_purge_takes_delayed_and_leased_tasks(deferd, pull):
    """GAE-088 GAE-089: all that are there; what is added next stays."""
    pull.add([pull_task(), pull_task(countdown=600), pull_task()])
    pull.lease_tasks(60, 1)
    pull.purge()
    assert pull.fetch_statistics().tasks == 0
    pull.add(pull_task("after"))
    assert [task.payload for task in pull.lease_tasks(60, 10)] == [b"after"]


def test_asynchronous_leases_share_no_task(deferd, pull):
    """GAE-124: eight at once over eight hundred tasks."""
    for _ in range(8):
        pull.add([pull_task() for _ in range(100)])
    leases = [pull.lease_tasks_async(60, 100) for _ in range(8)]
    names = [task.name for lease in leases for task in lease.get_result()]
    assert len(names) == len(set(names)) == 800


def test_a_task_is_leased_as_often_as_the_queue_says(deferd, make_queue):
    """GAE-125: three leases; when the third ends the task is gone and its name taken. (Python sends no options of pull tasks.)"""
    pull = make_queue(mode="pull", retry={"max_attempts": 3})
    pull.add(pull_task(name="thrice"))
    for count in (1, 2, 3):
        task, = wait_until(lambda: pull.lease_tasks(0.05, 1), f"lease {count}")
        assert task.retry_count == count
    wait_until(lambda: pull.fetch_statistics().tasks == 0, "the task to go")
    with pytest.raises(taskqueue.TombstonedTaskError):
        pull.add(pull_task(name="thrice"))


def test_a_lease_outlives_a_crash(deferd, pull):
    """GAE-129 GAE-069: kill -9 right after the answers; nothing is lost, nothing is leased twice."""
    pull.add([pull_task(name=f"kept-{n}") for n in range(10)])
    leased = {task.name for task in pull.lease_tasks(60, 4)}
    deferd.kill()
    deferd.start()
    others = {task.name for task in pull.lease_tasks(60, 100)}
    assert leased | others == {f"kept-{n}" for n in range(10)}
    assert not leased & others
