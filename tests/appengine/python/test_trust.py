"""Who may call when the server asks for tickets: holders of its secret, and handlers by the ticket of their push."""

from __future__ import annotations

import os

import pytest
from sdk import point_sdk_at, rpc
from google.appengine.api import taskqueue
from google.appengine.api.taskqueue import taskqueue_service_bytes_pb2 as pb
from google.appengine.runtime import apiproxy_errors
from harness import wait_until


def call_with(ticket: str) -> None:
    os.environ["HTTP_X_APPENGINE_API_TICKET"] = ticket


@pytest.fixture
def guarded(deferd, make_server, target):
    """A server that knows the secret "long-lived" and pushes to `target`; the SDK calls it with that."""
    server = make_server("--tickets", "long-lived", "--app-url", target.url(""), name="guarded")
    point_sdk_at(server.port)
    call_with("long-lived")
    yield server
    point_sdk_at(deferd.port)


def test_a_call_needs_a_ticket_of_ours(guarded):
    """GAE-012: a wrong one is refused by the platform, and nothing is added."""
    for ticket in ("guessed", "long-live", "1.7fffffff.00000000000000000000000000000000.default"):
        call_with(ticket)
        with pytest.raises(apiproxy_errors.RPCFailedError):
            taskqueue.add(url="/x", countdown=600)
    call_with("long-lived")
    assert taskqueue.add(url="/x", countdown=600).was_enqueued
    assert taskqueue.Queue().fetch_statistics().tasks == 1


def test_a_push_carries_a_ticket_of_its_own(guarded, target):
    """GAE-149: it is good for calls of its application and for nothing else, and is never shown by a listing."""
    task = taskqueue.add(url="/one")
    taskqueue.add(url="/two")
    pushes = wait_until(lambda: len(target.pushes) == 2 and target.pushes, "two pushes")
    tickets = {push.headers["x-appengine-api-ticket"] for push in pushes}
    assert len(tickets) == 2 and "long-lived" not in tickets
    call_with(tickets.pop())
    assert taskqueue.add(url="/three", countdown=600).was_enqueued
    listed = rpc("QueryTasks", pb.TaskQueueQueryTasksRequest(queue_name=b"default", max_rows=10))
    assert [header.key for one in listed.task for header in one.header if b"ticket" in header.key.lower()] == []
    assert task.name not in [one.task_name.decode() for one in listed.task]


def test_a_push_ticket_has_no_rights_beyond_its_application(guarded, target):
    """GAE-014 GAE-034: another application's queue, and what App Engine kept for its console."""
    taskqueue.add(url="/one")
    wait_until(lambda: target.pushes, "the push")
    call_with(target.pushes[0].headers["x-appengine-api-ticket"])
    foreign = taskqueue.Queue("default")
    foreign._app = "somebody-elses"
    with pytest.raises(taskqueue.PermissionDeniedError):
        foreign.add(taskqueue.Task(url="/x"))
    with pytest.raises(apiproxy_errors.ApplicationError) as caught:
        rpc("PauseQueue", pb.TaskQueuePauseQueueRequest(app_id=b"default", queue_name=b"default", pause=True))
    assert caught.value.application_error == pb.TaskQueueServiceError.PERMISSION_DENIED
