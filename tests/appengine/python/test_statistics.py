"""fetch_statistics: numbers that are true."""

from __future__ import annotations

import time

from google.appengine.api import taskqueue
from harness import wait_until


def test_counts_and_the_oldest_eta(deferd, pull):
    """GAE-095 GAE-096 GAE-098: delayed, ready and leased tasks count; a leased one by the end of its lease."""
    empty = pull.fetch_statistics()
    assert (empty.tasks, empty.oldest_eta_usec) == (0, None)
    pull.add([taskqueue.Task(payload="x", method="PULL", countdown=seconds) for seconds in (0, 0, 50)])
    now = time.time()
    full = pull.fetch_statistics()
    assert full.tasks == 3
    assert now - 5 <= full.oldest_eta_usec / 1e6 <= now
    leased = pull.lease_tasks(100, 2)
    after = pull.fetch_statistics()
    assert (after.tasks, after.executed_last_minute, after.in_flight) == (3, 2, 0)
    assert after.oldest_eta_usec / 1e6 < leased[0].eta_posix  # the delayed one is the oldest now
    assert after.oldest_eta_usec / 1e6 > now + 48


def test_attempts_are_counted_and_the_rate_is_told(app, make_queue):
    """GAE-097 GAE-100: each attempt counts, those that failed too."""
    queue = make_queue(rate="7/s", burst=5, retry={"min_backoff": "0.01s"})
    app.script("/work/counted", 500, 500)
    queue.add(taskqueue.Task(url="/work/counted"))
    app.wait("/work/counted", 3)
    statistics = wait_until(lambda: (found := queue.fetch_statistics()).executed_last_minute == 3 and found, "three attempts")
    assert (statistics.tasks, statistics.oldest_eta_usec, statistics.enforced_rate) == (0, None, 7.0)


def test_requests_in_flight(deferd, app, make_queue):
    """GAE-099: as many as a slow handler holds."""
    queue = make_queue()
    slow = [taskqueue.Task(url="/slow", params={"seconds": "2"}) for _ in range(3)]
    queue.add(slow)
    wait_until(lambda: queue.fetch_statistics().in_flight == 3, "three requests in flight")
    wait_until(lambda: (found := queue.fetch_statistics()).tasks == 0 and found.in_flight == 0, "them to end")


def test_several_queues_in_one_call(deferd, make_queue):
    """GAE-035: in the order asked for; of a queue that is not there, no task and nothing else."""
    first, second = make_queue(mode="pull"), make_queue(mode="pull")
    second.add(taskqueue.Task(payload="x", method="PULL"))
    missing = taskqueue.Queue("no-such-queue")
    found = taskqueue.QueueStatistics.fetch([second, missing, first])
    assert [one.queue.name for one in found] == [second.name, "no-such-queue", first.name]
    assert [one.tasks for one in found] == [1, 0, 0]
    assert [one.executed_last_minute for one in found] == [0, None, 0]
    assert (found[1].oldest_eta_usec, found[1].in_flight, found[1].enforced_rate) == (None, None, None)


def test_asynchronous_statistics(deferd, pull):
    pull.add(taskqueue.Task(payload="x", method="PULL"))
    assert pull.fetch_statistics_async().get_result().tasks == 1
