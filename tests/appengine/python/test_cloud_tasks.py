"""The SDK's own path to Cloud Tasks, pointed at deferd by environment variables; and what is added by one door, seen by the other."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys

import grpc
import pytest
from cloud_tasks import ConnectProxy, environment, make_certificate
from google.appengine.api import taskqueue
from google.appengine.api.taskqueue import cloudtask
from google.appengine.api.taskqueue import taskqueue_service_bytes_pb2 as pb
from google.cloud import tasks_v2
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcTransport
from harness import wait_until
from sdk import rpc

LATER = datetime.timedelta(hours=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def flags(folder):
    """The SDK's older path speaks no TLS."""
    return [*make_certificate(folder, "cloudtasks.localhost", "cloudtasks.example.com"), "--tls-plaintext", "true"]


@pytest.fixture
def by_cloud_tasks(folder, deferd, monkeypatch):
    """Calls of the SDK go to Cloud Tasks while this is there; with call(False), by the older path."""
    variables = environment(folder, f"localhost:{deferd.port}")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    cloudtask._reset_clients()
    return lambda yes=True: monkeypatch.setenv("APPENGINE_USE_CLOUDTASK_PUSH_QUEUE", "true" if yes else "false")


@pytest.fixture(scope="module")
def client(deferd):
    """Google's client, beside the SDK."""
    return tasks_v2.CloudTasksClient(transport=CloudTasksGrpcTransport(channel=grpc.insecure_channel(f"localhost:{deferd.port}")))


def path(queue: taskqueue.Queue, task: str = "") -> str:
    return f"projects/default/locations/local/queues/{queue.name}" + (f"/tasks/{task}" if task else "")


def later(count: int, prefix: str = "t") -> list[taskqueue.Task]:
    return [taskqueue.Task(url="/work/later", name=f"{prefix}-{number}", countdown=3600) for number in range(count)]


def test_everything_by_the_cloud_tasks_path(app, push, by_cloud_tasks, deferd):
    """GAE-223: one task, a hundred, a duplicate among them, deletion of a thousand, purge, statistics."""
    task = push.add(taskqueue.Task(url="/work/ct-one", payload=b"x", method="PUT", headers={"X-Mine": "yes"}))
    assert task.was_enqueued
    got = app.wait("/work/ct-one")[0]
    assert (got["method"], got["body"], got["headers"]["x-mine"]) == ("PUT", b"x", "yes")
    assert got["headers"]["x-appengine-taskname"] == task.name

    for first in range(0, 1000, 100):
        added = push.add(later(100, f"b{first}"))
        assert [each.name for each in added] == [f"b{first}-{number}" for number in range(100)]
        assert all(each.was_enqueued for each in added)
    wait_until(lambda: push.fetch_statistics().tasks == 1000, "the thousand to be counted")
    assert push.fetch_statistics().oldest_eta_usec > 0

    with pytest.raises(taskqueue.TaskAlreadyExistsError):
        push.add(taskqueue.Task(name="b0-0", url="/work/later"))

    every = [taskqueue.Task(name=f"b{first}-{number}") for first in range(0, 1000, 100) for number in range(100)]
    push.delete_tasks(every)
    assert all(each.was_deleted for each in every)
    never = taskqueue.Task(name="never")
    push.delete_tasks([never])
    assert not never.was_deleted

    push.add(later(3, "purged"))
    push.purge()
    assert push.fetch_statistics().tasks == 0
    with pytest.raises(taskqueue.UnknownQueueError):
        taskqueue.Queue("nowhere").add(taskqueue.Task(url="/work/later"))


def test_a_batch_marks_what_was_added_around_a_duplicate(push, by_cloud_tasks):
    """GAE-223, GAE-225."""
    push.add(taskqueue.Task(name="taken", url="/work/later", countdown=3600))
    tasks = [taskqueue.Task(name=name, url="/work/later", countdown=3600) for name in ("before", "taken", "after")]
    with pytest.raises(taskqueue.TaskAlreadyExistsError):
        push.add(tasks)
    assert [task.was_enqueued for task in tasks] == [True, False, True]
    assert [task.name for task in tasks] == ["before", "taken", "after"]


def test_a_task_has_its_own_retry_settings(app, push, client, by_cloud_tasks):
    """GAE-224: one retry, so two attempts and no third."""
    app.script("/work/ct-retry", 500, 500, 500)
    options = taskqueue.TaskRetryOptions(task_retry_limit=1, min_backoff_seconds=0.01)
    shown = push.add(taskqueue.Task(url="/work/later", countdown=3600, retry_options=options))
    assert client.get_task(name=path(push, shown.name)).retry_config.max_attempts == 2
    push.add(taskqueue.Task(url="/work/ct-retry", retry_options=options))
    app.wait("/work/ct-retry", 2)
    wait_until(lambda: push.fetch_statistics().tasks == 1, "the task to be given up")
    assert len(app.seen("/work/ct-retry")) == 2


def test_both_doors_push_with_the_same_headers(app, push, by_cloud_tasks):
    """GAE-226: but for the namespace, which the SDK itself leaves out on its way to Cloud Tasks."""
    def headers(where: str) -> dict[str, str]:
        push.add(taskqueue.Task(url=where))
        return {name: value for name, value in app.wait(where)[0]["headers"].items() if name.startswith("x-appengine-")}

    new = headers("/work/by-cloud-tasks")
    by_cloud_tasks(False)
    old = headers("/work/by-rpc")
    assert old.keys() - new.keys() == {"x-appengine-current-namespace"}
    assert new.keys() <= old.keys()
    own = {"x-appengine-taskname", "x-appengine-tasketa", "x-appengine-request-log-id", "x-appengine-api-ticket",
           "x-appengine-request-id-hash"}
    for name in new.keys() - own:
        assert new[name] == old[name], name


def test_cloud_tasks_shows_and_deletes_a_task_of_the_sdk(push, client):
    """GAE-220."""
    task = push.add(taskqueue.Task(url="/work/later", payload="text", headers={"X-Mine": "yes"}, countdown=3600))
    shown = client.get_task(request={"name": path(push, task.name), "response_view": tasks_v2.Task.View.FULL})
    assert shown.app_engine_http_request.relative_uri == "/work/later"
    assert shown.app_engine_http_request.body == b"text"
    assert {name.lower(): value for name, value in shown.app_engine_http_request.headers.items()}["x-mine"] == "yes"
    assert shown.app_engine_http_request.http_method == tasks_v2.HttpMethod.POST
    assert round(shown.schedule_time.timestamp() * 1e6) == round(task.eta_posix * 1e6)
    client.delete_task(name=path(push, task.name))
    answer = rpc("Delete", pb.TaskQueueDeleteRequest(queue_name=push.name.encode(), task_name=[task.name.encode()]))
    assert list(answer.result) == [pb.TaskQueueServiceError.TOMBSTONED_TASK] == [11]


def test_the_sdk_sees_a_task_of_cloud_tasks(push, client):
    """GAE-221."""
    made = client.create_task(parent=path(push), task={
        "app_engine_http_request": {"relative_uri": "/work/later", "body": b"body"},
        "schedule_time": datetime.datetime.now(datetime.timezone.utc) + LATER})
    (found,) = rpc("QueryTasks", pb.TaskQueueQueryTasksRequest(queue_name=push.name.encode())).task
    assert found.task_name.decode() == made.name.split("/")[-1]
    assert found.url == b"/work/later"
    assert found.body == b"body"
    assert found.eta_usec == round(made.schedule_time.timestamp() * 1e6)
    assert push.fetch_statistics().tasks == 1


def test_a_pause_by_one_door_shows_in_the_other(app, push, client):
    """GAE-222."""
    client.pause_queue(name=path(push))
    (queue,) = (each for each in rpc("FetchQueues", pb.TaskQueueFetchQueuesRequest(max_rows=1000)).queue
                if each.queue_name == push.name.encode())
    assert queue.paused
    push.add(taskqueue.Task(url="/work/paused"))
    rpc("PauseQueue", pb.TaskQueuePauseQueueRequest(app_id=b"default", queue_name=push.name.encode(), pause=False))
    assert client.get_queue(name=path(push)).state == tasks_v2.Queue.State.RUNNING
    app.wait("/work/paused")
    rpc("PauseQueue", pb.TaskQueuePauseQueueRequest(app_id=b"default", queue_name=push.name.encode(), pause=True))
    assert client.get_queue(name=path(push)).state == tasks_v2.Queue.State.PAUSED


def test_environment_variables_alone_lead_to_port_443_of_a_domain(deferd, folder, push):
    """GAE-227: a program of its own; a proxy, which gRPC asks as its variable says, stands for the domain's network."""
    proxy = ConnectProxy(deferd.port)
    program = f"""
from google.appengine.api import taskqueue
tasks = taskqueue.Queue("{push.name}").add([taskqueue.Task(url="/work/later", countdown=3600) for _ in range(2)])
print(*(task.name for task in tasks))
"""
    # gRPC's children must not inherit what the tests of this process have set.
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60,
                          env=inherited | environment(folder, "example.com") | {"grpc_proxy": proxy.url})
    proxy.close()
    assert done.returncode == 0, done.stderr
    assert set(proxy.asked) == {"cloudtasks.example.com:443"}
    assert sorted(done.stdout.split()) == sorted(task["id"] for task in deferd.client.tasks(push.name))
