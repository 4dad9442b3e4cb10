"""What the v2beta2 client adds to v2: pull queues. CT-242 over gRPC and asyncio, CT-243 over REST."""

from __future__ import annotations

import datetime

import pytest
from expect import names, now, refused, tomorrow
from google.cloud.tasks_v2beta2 import Queue, Task
from harness import wait_until

MINUTE = datetime.timedelta(minutes=1)
FULL = Task.View.FULL


@pytest.fixture
def client(world):
    return world.v2beta2


@pytest.fixture
def queue(world, client):
    return world.make_queue(client, pull_target={})


@pytest.fixture
def add(client, queue):
    return lambda payload, tag="": client.create_task(
        parent=queue.name, task={"pull_message": {"payload": payload, "tag": tag}})


@pytest.fixture
def lease(client, queue):
    return lambda **request: client.lease_tasks(request={
        "parent": queue.name, "max_tasks": 10, "lease_duration": MINUTE, **request}).tasks


def payloads(tasks) -> list[bytes]:
    return sorted(task.pull_message.payload for task in tasks)


def test_a_lease_hides_tasks_and_shows_payloads_when_asked(world, client, queue, add, lease):
    """CT-242 CT-243 CT-220, CT-221, CT-222, CT-223."""
    add(b"one")
    add(b"two")
    (basic,) = lease(max_tasks=1)
    assert basic.pull_message.payload == b""
    assert basic.status.attempt_dispatch_count == 1
    assert abs(basic.schedule_time - now() - MINUTE) < MINUTE / 2
    (full,) = lease(response_view=FULL)
    assert full.pull_message.payload in (b"one", b"two")
    assert list(lease()) == []
    refused("INVALID_ARGUMENT", "1000", lease, max_tasks=1001)
    refused("INVALID_ARGUMENT", "", client.create_task, parent=queue.name,
            task={"http_request": {"url": world.target.url()}})


def test_acknowledge_renew_and_cancel_need_the_lease(client, add, lease):
    """CT-225, CT-226."""
    add(b"one")
    (leased,) = lease()
    renewed = client.renew_lease(name=leased.name, schedule_time=leased.schedule_time, lease_duration=5 * MINUTE)
    assert renewed.schedule_time > leased.schedule_time
    refused("FAILED_PRECONDITION", "", client.acknowledge_task, name=leased.name, schedule_time=leased.schedule_time)
    cancelled = client.cancel_lease(name=leased.name, schedule_time=renewed.schedule_time)
    assert cancelled.schedule_time <= now() + datetime.timedelta(seconds=1)
    (again,) = wait_until(lambda: list(lease()), "the task to be leasable again")
    assert again.status.attempt_dispatch_count == 2
    assert client.acknowledge_task(name=again.name, schedule_time=again.schedule_time) is None
    refused("NOT_FOUND", "", client.acknowledge_task, name=again.name, schedule_time=again.schedule_time)


def test_a_filter_leases_by_tag(add, lease):
    """CT-224."""
    add(b"a1", "a")
    add(b"b1", "b")
    add(b"a2", "a")
    assert payloads(lease(filter="tag=b", response_view=FULL)) == [b"b1"]
    assert payloads(lease(filter="tag_function=oldest_tag()", response_view=FULL)) == [b"a1", b"a2"]
    refused("INVALID_ARGUMENT", "filter", lease, filter="colour=red")


def test_a_paused_queue_leases_nothing_and_a_pull_task_is_not_run(client, queue, add, lease):
    """CT-228, CT-230."""
    task = add(b"one")
    refused("FAILED_PRECONDITION", "", client.run_task, name=task.name)
    assert client.pause_queue(name=queue.name).state == Queue.State.PAUSED
    refused("FAILED_PRECONDITION", "", lease)
    assert client.resume_queue(name=queue.name).state == Queue.State.RUNNING
    assert len(lease()) == 1


def test_the_life_of_pull_tasks(client, queue, add, lease):
    """CT-023, CT-040, CT-090, CT-094, CT-097."""
    every = [add(b"%d" % number).name for number in range(3)]
    assert payloads([client.get_task(request={"name": every[0], "response_view": FULL})]) == [b"0"]
    pages = client.list_tasks(request={"parent": queue.name, "page_size": 2}).pages
    assert [len(page.tasks) for page in pages] == [2, 1]
    assert client.delete_task(name=every[0]) is None
    assert sorted(names(client.list_tasks(parent=queue.name))) == sorted(every[1:])
    assert "purge_time" in client.purge_queue(name=queue.name)
    assert list(lease()) == []
    assert client.delete_queue(name=queue.name) is None
    refused("NOT_FOUND", "Queue does not exist", client.get_queue, name=queue.name)


def test_statistics_and_updates(world, client, queue, add):
    """CT-026, CT-042, CT-202, CT-204."""
    add(b"one")
    found = client.get_queue(request={"name": queue.name, "read_mask": {"paths": ["stats"]}})
    assert found.stats.tasks_count == 1
    updated = client.update_queue(queue={"name": queue.name, "retry_config": {"max_attempts": 2}},
                                  update_mask={"paths": ["retry_config.max_attempts"]})
    assert updated.retry_config.max_attempts == 2
    assert queue.name in names(client.list_queues(request={"parent": world.parent}))
    refused("INVALID_ARGUMENT", "", client.update_queue, queue={"name": queue.name, "app_engine_http_target": {}})


def test_push_tasks_have_the_names_of_this_version(world, client):
    """CT-100, CT-201."""
    queue = world.make_queue(client, app_engine_http_target={}, rate_limits={"max_tasks_dispatched_per_second": 3})
    assert queue.rate_limits.max_tasks_dispatched_per_second == 3
    assert queue.rate_limits.max_concurrent_tasks == 1000
    task = client.create_task(parent=queue.name, task={
        "app_engine_http_request": {"relative_url": "/work"}, "schedule_time": tomorrow()})
    assert task.app_engine_http_request.relative_url == "/work"
    assert world.v2.get_task(name=task.name).app_engine_http_request.relative_uri == "/work"
    later = client.create_task(parent=queue.name, task={
        "http_request": {"url": world.target.url("/v2beta2")}, "schedule_time": tomorrow()})
    assert client.run_task(name=later.name).status.attempt_dispatch_count == 1
    world.arrived("/v2beta2")


def test_policies_and_locations(world, client, queue):
    """CT-175, CT-177, CT-191."""
    policy = {"bindings": [{"role": "roles/viewer", "members": ["user:a@example.com"]}]}
    given = client.set_iam_policy(request={"resource": queue.name, "policy": policy})
    assert given == client.get_iam_policy(request={"resource": queue.name})
    answer = client.test_iam_permissions(request={"resource": queue.name, "permissions": ["cloudtasks.queues.get"]})
    assert list(answer.permissions) == ["cloudtasks.queues.get"]
    assert client.get_location(request={"name": world.parent}).location_id == "us-central1"
    assert len(client.list_locations(request={"name": "projects/my-project"}).locations) == 1


def test_a_queue_yaml_is_uploaded(world, client):
    """CT-039: a queue that the next file leaves out is disabled, not deleted."""
    if world.transport == "rest":
        pytest.skip("the client has no UploadQueueYaml over REST")

    def upload(text: str) -> None:
        client.upload_queue_yaml(request={"app_id": "yaml-app", "http_body": {
            "content_type": "application/x-yaml", "data": text.encode()}})

    upload("queue:\n- name: first\n  rate: 5/s\n- name: second\n  mode: pull\n")
    first, second = (f"projects/yaml-app/locations/local/queues/{name}" for name in ("first", "second"))
    assert client.get_queue(name=first).rate_limits.max_tasks_dispatched_per_second == 5
    assert "pull_target" in client.get_queue(name=second)
    upload("queue:\n- name: first\n  rate: 6/s\n")
    assert client.get_queue(name=first).rate_limits.max_tasks_dispatched_per_second == 6
    assert client.get_queue(name=second).state == Queue.State.DISABLED
