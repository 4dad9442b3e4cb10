"""google.appengine.ext.deferred, end to end: pickled here, run in the application under gunicorn."""

from __future__ import annotations

import uuid

import jobs
import pytest
from google.appengine.api import taskqueue
from google.appengine.ext import deferred
from google.appengine.runtime import apiproxy_errors
from harness import wait_until


@pytest.fixture
def key() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def ended(app, push, key):
    """Waits until the job of this test was called `calls` times and its task has ended; gives the calls."""

    def wait(calls: int) -> list[list]:
        wait_until(lambda: len(app.jobs(key)) >= calls, f"{calls} calls of the job")
        wait_until(lambda: push.fetch_statistics().tasks == 0, "the task to end")
        return app.jobs(key)

    return wait


def test_a_function_runs_with_its_arguments(push, key, ended):
    """GAE-200: positional and named arguments, with every byte value in them."""
    everything = bytes(range(256))
    task = deferred.defer(jobs.note, key, everything, 1, flag=True, _queue=push.name)
    assert task.was_enqueued
    assert ended(1) == [[repr((everything, 1)), repr({"flag": True})]]


def test_a_method_runs_on_a_copy_of_its_object(push, key, ended):
    """GAE-200: the object travels as it is when the task is added."""
    counter = jobs.Counter(key, 40)
    deferred.defer(counter.count, 2, note_it=True, _queue=push.name)
    assert ended(1) == [["(42,)", "{}"]]
    assert counter.value == 40


def test_a_callable_object_and_a_class(push, key, ended):
    """GAE-200: whatever pickle can name."""
    deferred.defer(jobs.Counter(key, 0), _queue=push.name)
    assert ended(1) == [["('called',)", "{}"]]


def test_options_become_fields_of_the_task(app, push, key, ended):
    """GAE-200: name, countdown and retry options; the URL of deferred."""
    task = deferred.defer(jobs.note, key, _queue=push.name, _name=f"deferred-{key}", _countdown=0.2,
                          _retry_options=taskqueue.TaskRetryOptions(task_retry_limit=0))
    assert (task.name, task.url) == (f"deferred-{key}", "/_ah/queue/deferred")
    ended(1)
    with pytest.raises(taskqueue.TombstonedTaskError):
        deferred.defer(jobs.note, key, _queue=push.name, _name=f"deferred-{key}")


def test_a_permanent_failure_is_not_retried(push, key, ended):
    """GAE-201: answered 200, so the task is over."""
    deferred.defer(jobs.fail_for_good, key, _queue=push.name)
    assert len(ended(1)) == 1


def test_an_ordinary_error_is_retried(push, key, ended):
    """GAE-201: answered 500."""
    deferred.defer(jobs.fail_until, key, 3, _queue=push.name)
    assert len(ended(3)) == 3


def test_a_singular_failure_is_retried(push, key, ended):
    """GAE-201: answered 408."""
    deferred.defer(jobs.fail_quietly_until, key, 2, _queue=push.name)
    assert len(ended(2)) == 2


def test_a_payload_that_is_no_pickle_is_dropped(app, push):
    """GAE-201: answered 200 with PermanentTaskFailure."""
    push.add(taskqueue.Task(url="/_ah/queue/deferred", payload=b"no pickle"))
    wait_until(lambda: push.fetch_statistics().tasks == 0, "the task to end")
    assert push.fetch_statistics().executed_last_minute == 1


def test_as_large_as_the_sdk_lets_it_be(push, key, ended):
    """GAE-058: the SDK cuts at 100 KiB; what it lets through, we take."""
    size = taskqueue.MAX_PUSH_TASK_SIZE_BYTES - 1000
    deferred.defer(jobs.Counter(key, 0).count, 1, _queue=push.name, _headers={"X-Size": "a" * 100})
    deferred.defer(jobs.note, key, b"x" * (size - 500), _queue=push.name)
    assert len(ended(2)) == 2


def test_larger_ones_need_the_datastore(push, key):
    """The SDK keeps them in the datastore, which only App Engine has: the error names it."""
    with pytest.raises(apiproxy_errors.CallNotFoundError, match="datastore_v3"):
        deferred.defer(jobs.note, key, b"x" * taskqueue.MAX_PUSH_TASK_SIZE_BYTES, _queue=push.name)


def test_a_push_without_the_address_of_app_engine_is_refused(app, key):
    """GAE-202: 403 from the SDK for whoever calls the URL by himself."""
    status, _, body = app.client.raw("POST", "/_ah/queue/deferred", deferred.serialize(jobs.note, key),
                                     {"X-AppEngine-TaskName": "x"})
    assert status == 403
    assert b"did not originate from Task Queue" in body
    assert app.jobs(key) == []
