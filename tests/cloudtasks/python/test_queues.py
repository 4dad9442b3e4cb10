"""Queues by the v2 client: CT-242 over gRPC and asyncio, CT-243 over REST."""

from __future__ import annotations

import datetime

import pytest
from expect import links, names, now, refused, tomorrow
from google.cloud.tasks_v2 import Queue
from harness import wait_until

MISSING = "Queue does not exist. If you just created the queue, wait at least a minute for the queue to initialize."


@pytest.fixture
def client(world):
    return world.v2


@pytest.fixture
def make_queue(world, client):
    return lambda **settings: world.make_queue(client, **settings)


def later(world, queue, **task):
    return world.v2.create_task(parent=queue.name, task={
        "http_request": {"url": world.target.url("/later")}, "schedule_time": tomorrow(), **task})


def test_only_a_name_gives_the_defaults(client, make_queue):
    """CT-242 CT-243 CT-001, CT-002."""
    queue = make_queue()
    assert queue.rate_limits.max_dispatches_per_second == 500
    assert queue.rate_limits.max_burst_size == 100
    assert queue.rate_limits.max_concurrent_dispatches == 1000
    assert queue.retry_config.max_attempts == 100
    assert queue.retry_config.min_backoff == datetime.timedelta(milliseconds=100)
    assert queue.retry_config.max_backoff == datetime.timedelta(hours=1)
    assert queue.retry_config.max_doublings == 16
    assert queue.state == Queue.State.RUNNING
    for absent in ("purge_time", "stackdriver_logging_config", "app_engine_routing_override", "http_target"):
        assert absent not in queue
    assert "max_retry_duration" not in queue.retry_config
    assert client.get_queue(name=queue.name) == queue


def test_settings_are_kept(client, make_queue):
    """CT-011, CT-015, CT-018, CT-047."""
    queue = make_queue(
        rate_limits={"max_dispatches_per_second": 0.25, "max_concurrent_dispatches": 7},
        retry_config={"max_attempts": -1, "max_retry_duration": datetime.timedelta(seconds=90),
                      "min_backoff": datetime.timedelta(milliseconds=250)},
        app_engine_routing_override={"service": "worker"},
        stackdriver_logging_config={"sampling_ratio": 0.5})
    assert queue.rate_limits.max_dispatches_per_second == 0.25
    assert queue.rate_limits.max_burst_size == 10
    assert queue.rate_limits.max_concurrent_dispatches == 7
    assert queue.retry_config.max_attempts == -1
    assert queue.retry_config.max_retry_duration == datetime.timedelta(seconds=90)
    assert queue.retry_config.min_backoff == datetime.timedelta(milliseconds=250)
    assert queue.app_engine_routing_override.service == "worker"
    assert queue.stackdriver_logging_config.sampling_ratio == 0.5
    assert client.get_queue(name=queue.name) == queue


def test_errors_bring_their_details(world, client, make_queue):
    """CT-003, CT-005, CT-008, CT-021, CT-181."""
    queue = make_queue()
    refused("ALREADY_EXISTS", "Queue already exists", client.create_queue, parent=world.parent, queue=queue)
    refused("NOT_FOUND", MISSING, client.get_queue, name=f"{world.parent}/queues/nowhere")
    refused("INVALID_ARGUMENT", f"must begin with {world.parent}", client.create_queue, parent=world.parent,
            queue={"name": "projects/other/locations/us-central1/queues/q"})
    error = refused("INVALID_ARGUMENT", "Queue name must be formatted", client.create_queue, parent=world.parent,
                    queue={"name": f"{world.parent}/queues/a_b"})
    assert links(error) == ["Definition of queue name"]


def test_lists_have_pages_and_filters(client):
    """CT-042, CT-044, CT-045, CT-046."""
    parent = "projects/my-project/locations/europe-west1"  # where no other test makes queues
    assert list(client.list_queues(parent=parent)) == []
    every = [f"{parent}/queues/list-{number}" for number in range(5)]
    for name in every:
        client.create_queue(parent=parent, queue={"name": name})
    assert [len(page.queues) for page in client.list_queues(request={"parent": parent, "page_size": 2}).pages] == [2, 2, 1]
    assert names(client.list_queues(request={"parent": parent, "page_size": 2})) == every
    client.pause_queue(name=every[1])
    assert names(client.list_queues(request={"parent": parent, "filter": "state: PAUSED"})) == [every[1]]
    refused("INVALID_ARGUMENT", "filter", client.list_queues, request={"parent": parent, "filter": "state ! PAUSED"})
    refused("INVALID_ARGUMENT", "page", client.list_queues, request={"parent": parent, "page_token": "garbage"})


def test_an_update_changes_what_its_mask_names(world, client, make_queue):
    """CT-025, CT-026, CT-028, CT-031."""
    name = make_queue(retry_config={"max_attempts": 9}).name
    queue = client.update_queue(
        queue={"name": name, "rate_limits": {"max_dispatches_per_second": 5}, "retry_config": {"max_attempts": 3}},
        update_mask={"paths": ["rate_limits.max_dispatches_per_second"]})
    assert queue.rate_limits.max_dispatches_per_second == 5
    assert queue.retry_config.max_attempts == 9
    queue = client.update_queue(queue={"name": name, "rate_limits": {"max_concurrent_dispatches": 2}})
    assert queue.rate_limits.max_dispatches_per_second == 500
    assert queue.rate_limits.max_concurrent_dispatches == 2
    assert queue.retry_config.max_attempts == 100
    refused("INVALID_ARGUMENT", "colour", client.update_queue, queue={"name": name},
            update_mask={"paths": ["rate_limits.colour"]})
    made = world.new_queue_name()
    assert client.update_queue(queue={"name": made}).name == made


def test_a_paused_queue_keeps_its_tasks(world, client, make_queue):
    """CT-035, CT-037."""
    queue = make_queue()
    assert client.pause_queue(name=queue.name).state == Queue.State.PAUSED
    task = client.create_task(parent=queue.name, task={"http_request": {"url": world.target.url("/paused")}})
    assert names(client.list_tasks(parent=queue.name)) == [task.name]
    assert client.resume_queue(name=queue.name).state == Queue.State.RUNNING
    world.arrived("/paused")


def test_a_purge_removes_tasks_and_a_deletion_the_queue(world, client, make_queue):
    """CT-022, CT-023, CT-040."""
    queue = make_queue()
    later(world, queue)
    purged = client.purge_queue(name=queue.name)
    assert abs(purged.purge_time - now()) < datetime.timedelta(minutes=1)
    assert list(client.list_tasks(parent=queue.name)) == []
    assert client.delete_queue(name=queue.name) is None
    refused("NOT_FOUND", MISSING, client.get_queue, name=queue.name)
    refused("NOT_FOUND", MISSING, client.list_tasks, parent=queue.name)
    refused("NOT_FOUND", MISSING, later, world, queue)
    refused("NOT_FOUND", "Requested entity was not found.", client.delete_queue, name=queue.name)


def test_policies_are_kept_and_guarded_by_their_etag(world, client, make_queue):
    """CT-175, CT-176, CT-177."""
    resource = make_queue().name
    fresh = client.get_iam_policy(request={"resource": resource})
    assert not fresh.bindings
    bindings = [{"role": "roles/cloudtasks.enqueuer", "members": ["user:a@example.com"]}]
    given = client.set_iam_policy(request={"resource": resource, "policy": {"bindings": bindings, "etag": fresh.etag}})
    policy = client.get_iam_policy(request={"resource": resource})
    assert policy == given
    assert [(each.role, list(each.members)) for each in policy.bindings] == [("roles/cloudtasks.enqueuer", ["user:a@example.com"])]
    assert policy.etag != fresh.etag
    refused("ABORTED", "policy changes", client.set_iam_policy,
            request={"resource": resource, "policy": {"bindings": [], "etag": fresh.etag}})
    permissions = ["cloudtasks.tasks.create", "cloudtasks.queues.get"]
    answer = client.test_iam_permissions(request={"resource": resource, "permissions": permissions})
    assert list(answer.permissions) == permissions
    answer = client.test_iam_permissions(request={"resource": f"{world.parent}/queues/nowhere", "permissions": permissions})
    assert list(answer.permissions) == []


def test_locations(world, client):
    """CT-191."""
    found = client.get_location(request={"name": world.parent})
    assert found.location_id == "us-central1"
    assert dict(found.labels) == {"cloud.googleapis.com/region": "us-central1"}
    assert [each.location_id for each in client.list_locations(request={"name": "projects/my-project"}).locations] == ["local"]


def test_the_cmek_configuration_is_given_back(client):
    name = "projects/my-project/locations/us-east1/cmekConfig"
    key = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
    client.update_cmek_config(cmek_config={"name": name, "kms_key": key}, update_mask={"paths": ["kms_key"]})
    config = client.get_cmek_config(name=name)
    assert (config.name, config.kms_key) == (name, key)


def test_a_restart_keeps_queues_and_tasks(world, client, make_queue):
    """CT-048, CT-085: after kill -9."""
    queue = make_queue(rate_limits={"max_dispatches_per_second": 3})
    task = later(world, queue)
    world.deferd.kill()
    world.deferd.start()

    def back():
        try:
            return client.get_queue(name=queue.name)
        except Exception:  # the connection that went with the server
            return None

    assert wait_until(back, "the client to have a connection again", 30) == queue
    assert client.get_task(name=task.name) == task
