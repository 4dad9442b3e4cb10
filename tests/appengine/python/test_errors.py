"""Every exception class of the SDK's taskqueue module, provoked once: those the client raises, and those we make it raise."""

from __future__ import annotations

import time

import pytest
from sdk import point_sdk_at, rpc
from google.appengine.api import apiproxy_stub_map, datastore_file_stub, taskqueue
from google.appengine.api.taskqueue import taskqueue_service_bytes_pb2 as pb
from google.appengine.ext import db
from google.appengine.runtime import apiproxy_errors
from harness import Server

Task = taskqueue.Task


def pull_task(**more) -> Task:
    return Task(payload="x", method="PULL", **more)


# ---- Raised by the SDK on what we answer


def unknown_queue(push, pull):
    taskqueue.Queue("nobody-made-this").add(Task(url="/x"))


def task_already_exists(push, pull):
    for _ in range(2):
        push.add(Task(url="/x", name="twice", countdown=600))


def tombstoned_task(push, pull):
    push.add(Task(url="/x", name="gone", countdown=600))
    push.delete_tasks_by_name("gone")
    push.add(Task(url="/x", name="gone", countdown=600))


def invalid_queue_mode(push, pull):
    push.lease_tasks(60, 1)


def task_lease_expired(push, pull):
    pull.add(pull_task())
    task, = pull.lease_tasks(60, 1)
    pull.modify_task_lease(task, 0)
    pull.lease_tasks(60, 1)
    pull.modify_task_lease(task, 60)


def queue_paused(push, pull):
    rpc("PauseQueue", pb.TaskQueuePauseQueueRequest(app_id=b"default", queue_name=pull.name.encode(), pause=True))
    pull.lease_tasks(60, 1)


def any_other(push, pull):  # a code without a class of its own
    task = pull_task(name="never-added")
    task._Task__eta_usec = int(time.time() * 1e6)
    pull.modify_task_lease(task, 60)


# ---- Raised by the SDK before it calls anybody; here so that the list is whole


def in_transaction(function):
    """The SDK's own datastore, in this process, for what needs a transaction."""
    stub = datastore_file_stub.DatastoreFileStub("s~myapp", None, save_changes=False, use_atexit=False)
    apiproxy_stub_map.apiproxy.ReplaceStub("datastore_v3", stub)
    try:
        db.run_in_transaction(function)
    finally:
        apiproxy_stub_map.apiproxy._APIProxyStubMap__stub_map.pop("datastore_v3")


def datastore_error(push, pull):
    """GAE-066: a task in a transaction is refused, never added without one."""
    try:
        in_transaction(lambda: push.add(Task(url="/x"), transactional=True))
    finally:
        assert push.fetch_statistics().tasks == 0


def transactional_request_too_large(push, pull):
    in_transaction(lambda: push.add([Task(url="/x", payload=b"x" * 100_000) for _ in range(12)], transactional=True))


def bad_task_state(push, pull):
    task = push.add(Task(url="/x", countdown=600))
    push.add(task)


PROVOKED = {
    "UnknownQueueError": unknown_queue,
    "TaskAlreadyExistsError": task_already_exists,
    "TombstonedTaskError": tombstoned_task,
    "InvalidQueueModeError": invalid_queue_mode,
    "TaskLeaseExpiredError": task_lease_expired,
    "QueuePausedError": queue_paused,
    "Error": any_other,
    "DatastoreError": datastore_error,
    "TransactionalRequestTooLargeError": transactional_request_too_large,
    "BadTaskStateError": bad_task_state,
    "BadTransactionStateError": lambda push, pull: push.add(Task(url="/x"), transactional=True),
    "InvalidTaskError": lambda push, pull: Task(url="/x", method="TRACE"),
    "InvalidTaskNameError": lambda push, pull: Task(url="/x", name="no blanks"),
    "TaskTooLargeError": lambda push, pull: Task(url="/x", payload=b"x" * 102_401),
    "InvalidUrlError": lambda push, pull: Task(url="http://elsewhere.example.com/"),
    "InvalidEtaError": lambda push, pull: Task(url="/x", countdown=31 * 86400),
    "InvalidQueueError": lambda push, pull: taskqueue.QueueStatistics.fetch([push, foreign(pull)]),
    "InvalidQueueNameError": lambda push, pull: taskqueue.Queue("no_underscores"),
    "DuplicateTaskNameError": lambda push, pull: push.add([Task(url="/x", name="same"), Task(url="/x", name="same")]),
    "TooManyTasksError": lambda push, pull: push.add([Task(url="/x") for _ in range(101)]),
    "InvalidTaskRetryOptionsError": lambda push, pull: taskqueue.TaskRetryOptions(task_retry_limit=-1),
    "InvalidLeaseTimeError": lambda push, pull: pull.lease_tasks(604_801, 1),
    "InvalidMaxTasksError": lambda push, pull: pull.lease_tasks(60, 1001),
    "InvalidDeadlineError": lambda push, pull: pull.lease_tasks(60, 1, deadline=0),
    "InvalidTagError": lambda push, pull: pull_task(tag="x" * 501),
    "InvalidDispatchDeadlineError": lambda push, pull: Task(url="/x", dispatch_deadline_usec=14_000_000),
}

# TransientError and InternalError mean that our disk has failed or that we are flooded; tests/system/test_durability.py
# has the disk, and src/api/appengine tells which of our reasons become these codes.
NOT_PROVOKED_HERE = {"TransientError", "InternalError", "PermissionDeniedError"}  # the last one: test_trust.py


def foreign(queue: taskqueue.Queue) -> taskqueue.Queue:
    queue._app = "somebody-elses"
    return queue


@pytest.mark.parametrize("name", PROVOKED)
def test_each_class_is_raised(deferd, push, pull, name):
    """GAE-034 GAE-056 GAE-081 GAE-115: exactly this class, not one derived from it."""
    with pytest.raises(getattr(taskqueue, name)) as caught:
        PROVOKED[name](push, pull)
    if name == "DatastoreError":  # a class made on the spot, which is the datastore's error too
        assert isinstance(caught.value, db.BadRequestError)
    else:
        assert type(caught.value).__name__ == name


def test_no_class_is_forgotten():
    classes = {value.__name__ for value in vars(taskqueue).values()
               if isinstance(value, type) and issubclass(value, taskqueue.Error)}
    public = {name for name in classes if not name.startswith("_")}
    assert public == set(PROVOKED) | NOT_PROVOKED_HERE


def test_a_full_queue_is_a_transient_error(make_queue):
    """GAE-034: App Engine had no queues that are full; its class for "try again later" says it best."""
    queue = make_queue(mode="pull", max_tasks=1)
    queue.add(pull_task())
    with pytest.raises(taskqueue.TransientError):
        queue.add(pull_task())


def test_texts_help(deferd, push):
    """The detail of a refused call is what the developer reads."""
    with pytest.raises(taskqueue.InvalidQueueModeError) as caught:
        push.lease_tasks(60, 1)
    assert push.name in str(caught.value) and "push" in str(caught.value)


# ---- What the client checks too, past the client


def add_request(queue: taskqueue.Queue, **fields) -> pb.TaskQueueAddRequest:
    request = pb.TaskQueueAddRequest(queue_name=queue.name.encode(), task_name=b"", eta_usec=int(time.time() * 1e6), url=b"/x")
    for name, value in fields.items():
        if isinstance(value, dict):
            for inner, number in value.items():
                setattr(getattr(request, name), inner, number)
        else:
            setattr(request, name, value)
    return request


DAY = 86_400_000_000


@pytest.mark.parametrize(("code", "fields"), [
    (5, {"task_name": b"a.b"}),
    (5, {"task_name": b"x" * 501}),
    (5, {"task_name": b"trailing\n"}),
    (6, {"queue_name": b"a_b"}),
    (6, {"queue_name": b"x" * 101}),
    (7, {"url": b""}),
    (7, {"url": b"http://x/"}),
    (7, {"url": b"//x/y"}),
    (7, {"url": b"/a#f"}),
    (7, {"url": b"/" + b"x" * 2083}),
    (12, {"eta_usec": -1}),
    (20, {"retry_parameters": {"retry_limit": -1}}),
    (20, {"retry_parameters": {"min_backoff_sec": float("nan")}}),
    (20, {"retry_parameters": {"min_backoff_sec": 5.0, "max_backoff_sec": 1.0}}),
    (27, {"tag": b"t"}),
    (29, {"dispatch_deadline_usec": 14_900_000}),
    (29, {"dispatch_deadline_usec": DAY + 1_000_000}),
])
def test_the_server_checks_for_itself(deferd, push, code, fields):
    """GAE-043 GAE-044 GAE-045 GAE-047 GAE-048 GAE-057 GAE-060 GAE-061: and nothing of the batch is added."""
    request = pb.TaskQueueBulkAddRequest(add_request=[add_request(push), add_request(push, **fields), add_request(push)])
    if "queue_name" in fields:
        del request.add_request[2], request.add_request[0]
    answer = rpc("BulkAdd", request)
    results = [result.result for result in answer.taskresult]
    assert results == ([code] if "queue_name" in fields else [17, code, 17])
    assert push.fetch_statistics().tasks == 0


@pytest.mark.parametrize("fields", [
    {"task_name": b"x" * 500},
    {"url": b"/" + b"x" * 2082},
    {"url": b"/a%zz?q=1"},
    {"eta_usec": 0},
    {"eta_usec": int(time.time() * 1e6) + 30 * DAY},
    {"retry_parameters": {"min_backoff_sec": 5000.0}},
    {"dispatch_deadline_usec": 15_000_000},
    {"dispatch_deadline_usec": DAY},
])
def test_the_largest_that_is_allowed(deferd, push, fields):
    """GAE-044 GAE-045 GAE-047 GAE-060 GAE-061: the bounds themselves are inside."""
    answer = rpc("BulkAdd", pb.TaskQueueBulkAddRequest(add_request=[add_request(push, **fields)]))
    assert [result.result for result in answer.taskresult] == [0]


def test_calls_that_are_not_there(deferd, push):
    """GAE-004 GAE-005: and calls that do not parse; the text says what was wrong."""
    request = pb.TaskQueuePurgeQueueRequest(queue_name=push.name.encode())
    for method in ("NoSuchCall", "purgequeue"):
        with pytest.raises(apiproxy_errors.CallNotFoundError, match=method):
            rpc(method, request, pb.TaskQueuePurgeQueueResponse())
    with pytest.raises(apiproxy_errors.ArgumentError):
        rpc("PurgeQueue", pb.TaskQueueFetchQueueStatsResponse(), pb.TaskQueuePurgeQueueResponse())  # no queue_name
    with pytest.raises(apiproxy_errors.CallNotFoundError, match="memcache"):
        apiproxy_stub_map.MakeSyncCall("memcache", "Set", request, pb.TaskQueuePurgeQueueResponse())


def test_too_many_and_none(deferd, push):
    """GAE-053 GAE-054 GAE-041: 101 tasks, no task, no queue."""
    with pytest.raises(apiproxy_errors.ApplicationError) as caught:
        rpc("BulkAdd", pb.TaskQueueBulkAddRequest(add_request=[add_request(push)] * 101))
    assert caught.value.application_error == pb.TaskQueueServiceError.TOO_MANY_TASKS
    assert len(rpc("BulkAdd", pb.TaskQueueBulkAddRequest()).taskresult) == 0
    with pytest.raises(apiproxy_errors.ApplicationError) as caught:
        rpc("BulkAdd", pb.TaskQueueBulkAddRequest(add_request=[add_request(push, queue_name=b"")]))
    assert caught.value.application_error == pb.TaskQueueServiceError.UNKNOWN_QUEUE


def test_a_server_that_is_gone(deferd, push):
    """What the application sees while we are down: an error of the platform, none of the task queue."""
    point_sdk_at(1)
    try:
        with pytest.raises(apiproxy_errors.RPCFailedError):
            push.add(Task(url="/x"))
    finally:
        point_sdk_at(deferd.port)


# ---- With App Engine's own limits


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """A server with --limits strict, and a queue in it."""
    server = Server(tmp_path_factory.mktemp("strict"), "--limits", "strict").start()
    server.client.put("/v1/queues/strict", {})
    server.client.post("/v1/queues/strict:pause")
    yield server
    server.kill()


@pytest.fixture
def strict_queue(deferd, strict):
    point_sdk_at(strict.port)
    yield taskqueue.Queue("strict")
    point_sdk_at(deferd.port)


def test_the_default_queue_is_app_engines(strict_queue):
    """GAE-072 GAE-100: five a second; relaxed, it is as /v1 has it."""
    assert taskqueue.Queue().fetch_statistics().enforced_rate == 5.0


def test_thirty_days_ahead_and_no_more(strict_queue):
    """GAE-045: with a minute of slack, since the SDK checks by its own clock."""
    now = int(time.time() * 1e6)
    for eta_usec, code in ((now + 30 * DAY, 0), (now + 30 * DAY + 120_000_000, 12)):
        answer = rpc("BulkAdd", pb.TaskQueueBulkAddRequest(add_request=[add_request(strict_queue, eta_usec=eta_usec)]))
        assert [result.result for result in answer.taskresult] == [code]


def test_a_hundred_kibibytes_by_the_count_of_the_sdk(strict_queue):
    """GAE-058: what the SDK lets through is taken, one byte more is not."""
    overhead = Task(url="/x", payload=b"", headers={"X-A": "b"}).size
    largest = Task(url="/x", payload=b"x" * (taskqueue.MAX_PUSH_TASK_SIZE_BYTES - overhead), headers={"X-A": "b"})
    assert largest.size == taskqueue.MAX_PUSH_TASK_SIZE_BYTES
    assert strict_queue.add(largest).was_enqueued
    request = add_request(strict_queue, body=b"x" * (taskqueue.MAX_PUSH_TASK_SIZE_BYTES + 1))
    answer = rpc("BulkAdd", pb.TaskQueueBulkAddRequest(add_request=[request]))
    assert [result.result for result in answer.taskresult] == [pb.TaskQueueServiceError.TASK_TOO_LARGE]
