"""Tasks by the v2 client: CT-242 over gRPC and asyncio, CT-243 over REST."""

from __future__ import annotations

import datetime
import re

import pytest
from expect import links, names, now, refused, tomorrow
from google.api_core import exceptions
from google.cloud.tasks_v2 import HttpMethod, Task
from google.rpc import code_pb2
from harness import wait_until

FULL = Task.View.FULL


@pytest.fixture
def client(world):
    return world.v2


@pytest.fixture
def queue(world, client):
    return world.make_queue(client, retry_config={"min_backoff": datetime.timedelta(hours=1)})


@pytest.fixture
def make_task(world, client, queue):
    """A task of `queue` that is due tomorrow."""
    def make(response_view=None, **task):
        return client.create_task(request={"parent": queue.name, "response_view": response_view, "task": {
            "http_request": {"url": world.target.url("/later")}, "schedule_time": tomorrow(), **task}})

    return make


def test_defaults_and_views(world, client, queue, make_task):
    """CT-242 CT-243 CT-050, CT-053, CT-054, CT-058, CT-059, CT-060."""
    request = {"url": world.target.url("/later"), "headers": {"X-Mine": "yes"}, "body": "hello é".encode()}
    basic = make_task(http_request=request)
    assert re.fullmatch(queue.name + "/tasks/[0-9]{17,20}", basic.name)
    assert basic.view == Task.View.BASIC
    assert basic.http_request.body == b""
    assert basic.http_request.url == request["url"]
    assert basic.http_request.headers["X-Mine"] == "yes"
    assert basic.http_request.http_method == HttpMethod.POST
    assert basic.dispatch_deadline == datetime.timedelta(minutes=10)
    assert basic.dispatch_count == 0
    assert basic.create_time.nanosecond == 0
    assert datetime.timedelta(0) <= now() - basic.create_time < datetime.timedelta(minutes=1)
    full = client.get_task(request={"name": basic.name, "response_view": FULL})
    assert full.view == FULL
    assert full.http_request.body == request["body"]
    assert make_task(FULL, http_request=request).http_request.body == request["body"]
    assert client.get_task(name=basic.name) == basic


def test_an_app_engine_task_has_its_host(make_task):
    """CT-080, CT-083."""
    task = make_task(http_request=None, app_engine_http_request={
        "relative_uri": "/work?a=b", "app_engine_routing": {"service": "s"}, "body": b"x"})
    assert task.app_engine_http_request.app_engine_routing.host == "s.my-project.us-central1.r.appspot.com"
    assert task.app_engine_http_request.headers["Content-Type"] == "application/octet-stream"
    assert "dispatch_deadline" not in task


def test_a_name_is_used_once(world, client, queue, make_task):
    """CT-062, CT-063, CT-065, CT-066, CT-090, CT-091, CT-097, CT-181."""
    name = f"{queue.name}/tasks/order_17"
    assert make_task(name=name).name == name
    refused("ALREADY_EXISTS", "Requested entity already exists", make_task, name=name)
    assert client.delete_task(name=name) is None
    refused("ALREADY_EXISTS", "a task with this name existed too recently", make_task, name=name)
    refused("NOT_FOUND", "though a task with this name existed recently", client.get_task, name=name)
    refused("NOT_FOUND", "", client.delete_task, name=name)
    refused("NOT_FOUND", "Requested entity was not found.", client.get_task, name=f"{queue.name}/tasks/never")
    refused("INVALID_ARGUMENT", "must be the same", make_task, name=f"{world.parent}/queues/other/tasks/a")
    error = refused("INVALID_ARGUMENT", 'Task ID "a.b"', make_task, name=f"{queue.name}/tasks/a.b")
    assert links(error) == ["Definition of task ID"]


def test_lists_have_pages_and_views(client, queue, world, make_task):
    """CT-045, CT-093, CT-094, CT-095."""
    every = [make_task(http_request={"url": world.target.url("/later"), "body": b"%d" % number}).name for number in range(5)]
    pages = client.list_tasks(request={"parent": queue.name, "page_size": 3}).pages
    assert [len(page.tasks) for page in pages] == [3, 2]
    assert sorted(names(client.list_tasks(request={"parent": queue.name, "page_size": 2}))) == sorted(every)
    full = client.list_tasks(request={"parent": queue.name, "response_view": FULL})
    assert sorted(task.http_request.body for task in full) == [b"0", b"1", b"2", b"3", b"4"]
    assert {task.http_request.body for task in client.list_tasks(parent=queue.name)} == {b""}
    refused("INVALID_ARGUMENT", "page", client.list_tasks, request={"parent": queue.name, "page_token": "garbage"})


def test_a_task_reaches_its_url(world, client, queue):
    """CT-100."""
    body = bytes(range(256))
    client.create_task(parent=queue.name, task={"http_request": {
        "url": world.target.url("/put?a=b"), "http_method": HttpMethod.PUT, "headers": {"X-Mine": "yes"}, "body": body}})
    (push,) = world.arrived("/put?a=b")
    assert push.method == "PUT"
    assert push.headers["x-mine"] == "yes"
    assert push.body == body


def test_a_schedule_is_kept(world, client, queue):
    """CT-051, CT-057, CT-100."""
    due = now() + datetime.timedelta(seconds=1)
    task = client.create_task(parent=queue.name, task={
        "http_request": {"url": world.target.url("/soon")}, "schedule_time": due})
    assert abs(task.schedule_time - due) < datetime.timedelta(microseconds=1)
    world.arrived("/soon")
    assert now() >= due
    refused("INVALID_ARGUMENT", "", client.create_task, parent=queue.name, task={
        "http_request": {"url": world.target.url("/never")}, "schedule_time": now() + datetime.timedelta(hours=721)})


def test_a_failure_is_counted_and_tried_again(world, client, queue):
    """CT-116, CT-117."""
    name = client.create_task(parent=queue.name, task={"http_request": {"url": world.target.url("/busy/once")}}).name

    def failed():
        found = client.get_task(name=name)
        return found.response_count == 1 and found

    task = wait_until(failed, "the attempt to be counted")
    assert task.dispatch_count == 1
    assert "dispatch_time" in task.first_attempt
    assert "response_time" not in task.first_attempt
    assert task.last_attempt.response_status.code == code_pb2.UNAVAILABLE
    assert task.last_attempt.response_status.message == "UNAVAILABLE(14): HTTP status code 503"
    assert task.schedule_time > now() + datetime.timedelta(minutes=50)


def test_run_sends_at_once(world, client, queue, make_task):
    """CT-160, CT-161, CT-164: of a paused queue too."""
    client.pause_queue(name=queue.name)
    name = make_task(http_request={"url": world.target.url("/run")}).name
    run = client.run_task(name=name)
    assert run.dispatch_count == 1
    assert "dispatch_time" in run.last_attempt
    world.arrived("/run")

    def gone():
        try:
            client.get_task(name=name)
        except exceptions.NotFound:
            return True

    wait_until(gone, "the task to have ended")
    refused("NOT_FOUND", "", client.run_task, name=name)


def test_a_batch_makes_what_it_can(world, client, queue):
    """CT-205."""
    later = {"http_request": {"url": world.target.url("/later")}, "schedule_time": tomorrow()}
    operation = client.batch_create_tasks(request={"parent": queue.name, "requests": [
        {"parent": queue.name, "task": {"name": f"{queue.name}/tasks/a", **later}},
        {"parent": queue.name, "task": {"http_request": {"url": ""}}},
        {"parent": queue.name, "task": {"name": f"{queue.name}/tasks/b", **later}},
    ]})
    assert sorted(names(operation.result(timeout=10).tasks)) == [f"{queue.name}/tasks/a", f"{queue.name}/tasks/b"]
    assert operation.metadata.failed_requests[1].message == "HttpRequest.url is required."
    found = client.get_operation(request={"name": operation.operation.name})
    assert found.done
    deleted = client.batch_delete_tasks(request={"parent": queue.name, "names": [f"{queue.name}/tasks/a"]})
    deleted.result(timeout=10)
    assert names(client.list_tasks(parent=queue.name)) == [f"{queue.name}/tasks/b"]
