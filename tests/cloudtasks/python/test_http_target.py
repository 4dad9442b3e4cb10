"""A queue's http_target, and BufferTask, which Google's clients do not have: plain HTTP."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest
from expect import refused
from google.cloud.tasks_v2 import HttpMethod, UriOverride


@pytest.fixture(params=["v2", "v2beta3"])
def client(world, request):
    return getattr(world, request.param)


def here(world, **override) -> dict:
    """The members of a UriOverride that lead to the target."""
    return {"scheme": UriOverride.Scheme.HTTP, "host": "127.0.0.1", "port": world.target.port, **override}


def unique(world) -> str:
    return "/" + world.new_queue_name().rpartition("/")[2]


def buffer(world, queue: str, path: str, body: bytes, **headers: str) -> dict:
    """The task that BufferTask makes; `queue` with its version before it, `path` what follows it."""
    with urllib.request.urlopen(urllib.request.Request(
            f"http://127.0.0.1:{world.deferd.port}/{queue}/{path}", body, headers, method="POST")) as answer:
        return json.load(answer)["task"]


def test_every_part_is_replaced_when_it_is_pushed(world, client):
    """CT-209, CT-211, GAE-224: stored, given back, and obeyed."""
    path = unique(world)
    queue = world.make_queue(client, http_target={
        "uri_override": here(world, path_override={"path": path}, query_override={"query_params": "from=queue"}),
        "http_method": HttpMethod.PUT,
        "header_overrides": [{"header": {"key": "X-Mine", "value": "of the queue"}}]})
    assert client.get_queue(name=queue.name).http_target == queue.http_target
    assert queue.http_target.uri_override.port == world.target.port
    client.create_task(parent=queue.name, task={"http_request": {
        "url": "https://example.com:1/task?from=task", "headers": {"x-mine": "of the task", "X-Other": "stays"}, "body": b"body"}})
    (push,) = world.arrived(f"{path}?from=queue")
    assert (push.method, push.body) == ("PUT", b"body")
    assert push.headers["x-mine"] == "of the queue"
    assert push.headers["x-other"] == "stays"


def test_what_the_task_says_stays_if_the_queue_yields(world, client):
    """CT-210."""
    path = unique(world)
    queue = world.make_queue(client, http_target={"uri_override": {
        "host": "example.com", "path_override": {"path": "/of-the-queue"},
        "uri_override_enforce_mode": UriOverride.UriOverrideEnforceMode.IF_NOT_EXISTS}})
    client.create_task(parent=queue.name, task={"http_request": {"url": world.target.url(path)}})
    world.arrived(path)
    refused("INVALID_ARGUMENT", "", world.make_queue, client, http_target={"oidc_token": {"service_account_email": "a@example.com"}})


def test_a_change_reaches_tasks_that_wait(world, client):
    """CT-212: an override that comes after the task, and one that is gone again."""
    path = unique(world)
    queue = world.make_queue(client)
    client.pause_queue(name=queue.name)
    for own in ("/first", "/second"):
        name = f"{queue.name}/tasks{own}"
        client.create_task(parent=queue.name, task={"name": name, "http_request": {"url": world.target.url(path + own)}})
        client.update_queue(update_mask={"paths": ["http_target"]}, queue={"name": queue.name, **(
            {"http_target": {"uri_override": {"path_override": {"path": path + "/override"}}}} if own == "/first" else {})})
        client.run_task(name=name)
        world.arrived(path + ("/override" if own == "/first" else own))
    assert "http_target" not in client.get_queue(name=queue.name)


@pytest.mark.parametrize("version", ["v2", "v2beta3"])
def test_a_buffered_request_becomes_a_task(world, version):
    """CT-213: its body as it is, its headers, under the given id."""
    path = unique(world)
    queue = world.make_queue(world.v2, http_target={"uri_override": here(world, path_override={"path": path})})
    body = b'{"not": "a task"}'
    task = buffer(world, f"{version}/{queue.name}", "tasks:buffer", body, **{"X-Mine": "yes", "Content-Type": "text/x-mine"})
    assert task["name"].startswith(queue.name + "/tasks/")
    (push,) = world.arrived(path)
    assert (push.body, push.headers["x-mine"], push.headers["content-type"]) == (body, "yes", "text/x-mine")

    task = buffer(world, f"{version}/{queue.name}", "tasks/order-17:buffer", b"second")
    assert task["name"] == f"{queue.name}/tasks/order-17"
    assert world.arrived(path, 2)[1].body == b"second"
    with pytest.raises(urllib.error.HTTPError, match="409"):
        buffer(world, f"{version}/{queue.name}", "tasks/order-17:buffer", b"again")


def test_a_queue_without_a_host_takes_no_buffered_request(world):
    """CT-214."""
    queue = world.make_queue(world.v2)
    with pytest.raises(urllib.error.HTTPError) as caught:
        buffer(world, f"v2/{queue.name}", "tasks:buffer", b"x")
    assert caught.value.code == 400
    assert json.load(caught.value)["error"]["status"] in ("INVALID_ARGUMENT", "FAILED_PRECONDITION")
