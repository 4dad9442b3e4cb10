"""What the v2beta3 client adds to v2: lifetimes, statistics, batches, CMEK. CT-242 over gRPC and asyncio, CT-243 over REST."""

from __future__ import annotations

import datetime
import uuid

import pytest
from expect import names, refused, tomorrow
from google.cloud.tasks_v2beta3 import BatchCreateTasksMetadata, BatchDeleteTasksMetadata, HttpMethod, Queue, Task


@pytest.fixture
def client(world):
    return world.v2beta3


@pytest.fixture
def make_queue(world, client):
    return lambda **settings: world.make_queue(client, **settings)


@pytest.fixture
def waiting(world):
    """A task that is due tomorrow, to be made."""
    return lambda **task: {"http_request": {"url": world.target.url("/later")}, "schedule_time": tomorrow(), **task}


def test_a_queue_has_a_type_lifetimes_and_a_burst(world, client, make_queue):
    """CT-016, CT-017, CT-200, CT-201, CT-204."""
    queue = make_queue(rate_limits={"max_burst_size": 7}, task_ttl=datetime.timedelta(days=20),
                       tombstone_ttl=datetime.timedelta(hours=2))
    assert queue.type_ == Queue.Type.PUSH
    assert queue.rate_limits.max_burst_size == 7
    assert queue.task_ttl == datetime.timedelta(days=20)
    assert queue.tombstone_ttl == datetime.timedelta(hours=2)
    assert world.v2.get_queue(name=queue.name).rate_limits.max_burst_size == 7
    updated = client.update_queue(queue={"name": queue.name, "rate_limits": {"max_dispatches_per_second": 1}},
                                  update_mask={"paths": ["rate_limits.max_dispatches_per_second"]})
    assert updated.rate_limits.max_burst_size == 10
    refused("INVALID_ARGUMENT", "500", make_queue, rate_limits={"max_burst_size": 501})
    refused("INVALID_ARGUMENT", "", make_queue, task_ttl=datetime.timedelta(days=9))


def test_the_life_of_a_queue(world, client, make_queue, waiting):
    """CT-023, CT-035, CT-040."""
    name = make_queue().name
    assert client.pause_queue(name=name).state == Queue.State.PAUSED
    assert client.resume_queue(name=name).state == Queue.State.RUNNING
    client.create_task(parent=name, task=waiting())
    assert "purge_time" in client.purge_queue(name=name)
    assert list(client.list_tasks(parent=name)) == []
    assert client.delete_queue(name=name) is None
    refused("NOT_FOUND", "Queue does not exist", client.get_queue, name=name)


def test_statistics_come_when_the_mask_names_them(world, client, make_queue, waiting):
    """CT-202, CT-203."""
    name = make_queue().name
    client.create_task(parent=name, task=waiting())
    assert "stats" not in client.get_queue(name=name)
    queue = client.get_queue(request={"name": name, "read_mask": {"paths": ["stats"]}})
    assert queue.stats.tasks_count == 1
    assert "retry_config" not in queue
    listed = client.list_queues(request={"parent": world.parent, "read_mask": {"paths": ["name", "stats"]}})
    assert {each.name: each.stats.tasks_count for each in listed}[name] == 1


def test_a_queue_keeps_where_its_tasks_go(client, make_queue):
    name = make_queue(http_target={"uri_override": {"host": "example.com", "port": 8080}, "http_method": HttpMethod.PUT}).name
    target = client.get_queue(name=name).http_target
    assert target.uri_override.host == "example.com"
    assert target.uri_override.port == 8080
    assert target.http_method == HttpMethod.PUT


def test_the_life_of_a_task(world, client, make_queue, waiting):
    """CT-058, CT-097, CT-100, CT-141, CT-160."""
    queue = make_queue()
    url = world.target.url("/v2beta3")
    task = client.create_task(parent=queue.name, task=waiting(http_request={"url": url, "body": b"x"},
                                                              retry_config={"max_attempts": 2}))
    assert Task.pb(task).WhichOneof("payload_type") == "http_request"
    assert client.get_task(name=task.name).retry_config.max_attempts == 2
    full = client.get_task(request={"name": task.name, "response_view": Task.View.FULL})
    assert (task.http_request.body, full.http_request.body) == (b"", b"x")
    assert client.run_task(name=task.name).dispatch_count == 1
    (push,) = world.arrived("/v2beta3")
    assert push.body == b"x"
    other = client.create_task(parent=queue.name, task=waiting()).name
    assert client.delete_task(name=other) is None
    refused("NOT_FOUND", "", client.get_task, name=other)


def test_policies_and_locations(world, client, make_queue):
    """CT-175, CT-177, CT-191."""
    resource = make_queue().name
    policy = {"bindings": [{"role": "roles/viewer", "members": ["user:a@example.com"]}]}
    assert client.set_iam_policy(request={"resource": resource, "policy": policy}) == client.get_iam_policy(
        request={"resource": resource})
    answer = client.test_iam_permissions(request={"resource": resource, "permissions": ["cloudtasks.queues.get"]})
    assert list(answer.permissions) == ["cloudtasks.queues.get"]
    assert client.get_location(request={"name": world.parent}).location_id == "us-central1"
    assert len(client.list_locations(request={"name": "projects/my-project"}).locations) == 1


def test_a_batch_makes_what_it_can_and_says_what_it_could_not(client, make_queue, waiting):
    """CT-205, CT-206, CT-207."""
    name = make_queue().name
    bad = {"parent": name, "task": {"http_request": {"url": ""}}}
    request = {"parent": name, "request_id": str(uuid.uuid4()), "requests": [
        {"parent": name, "task": waiting(name=f"{name}/tasks/a")}, bad, {"parent": name, "task": waiting(name=f"{name}/tasks/b")}]}
    operation = client.batch_create_tasks(request=request)
    assert sorted(names(operation.result(timeout=10).tasks)) == [f"{name}/tasks/a", f"{name}/tasks/b"]
    assert operation.metadata.state == BatchCreateTasksMetadata.State.PARTIALLY_SUCCEEDED
    assert operation.metadata.failed_requests[1].message == "HttpRequest.url is required."
    assert client.batch_create_tasks(request=request).operation.name == operation.operation.name
    assert len(list(client.list_tasks(parent=name))) == 2

    failed = client.batch_create_tasks(request={"parent": name, "requests": [bad]})
    refused("ABORTED", "failed_requests", failed.result, timeout=10)
    refused("INVALID_ARGUMENT", "", client.batch_create_tasks, request={"parent": name, "requests": []})
    refused("INVALID_ARGUMENT", "", client.batch_create_tasks, request={"parent": name, "requests": [bad] * 101})


def test_a_batch_deletes_and_its_operation_is_found_again(client, make_queue, waiting):
    """CT-208."""
    name = make_queue().name
    client.create_task(parent=name, task=waiting(name=f"{name}/tasks/a"))
    operation = client.batch_delete_tasks(request={"parent": name, "names": [f"{name}/tasks/a", f"{name}/tasks/never"]})
    operation.result(timeout=10)
    assert operation.metadata.state == BatchDeleteTasksMetadata.State.PARTIALLY_SUCCEEDED
    assert list(operation.metadata.failed_requests) == [1]
    assert client.get_operation(request={"name": operation.operation.name}).done
    assert list(client.list_tasks(parent=name)) == []
    refused("NOT_FOUND", "", client.get_operation, request={"name": f"{operation.operation.name}0"})


def test_the_cmek_configuration_is_given_back(client):
    name = "projects/my-project/locations/us-west1/cmekConfig"
    key = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
    client.update_cmek_config(cmek_config={"name": name, "kms_key": key}, update_mask={"paths": ["kms_key"]})
    config = client.get_cmek_config(name=name)
    assert (config.name, config.kms_key) == (name, key)
