"""Cloud Tasks over plain HTTP/JSON against the real server: what curl, a shell script or Firebase's tools would send."""

from __future__ import annotations

import base64
import json

import pytest
from harness import Refused, wait_until

LOCATION = "projects/my-project/locations/here"
QUEUE = f"{LOCATION}/queues/mail"


@pytest.fixture
def queue(client) -> str:
    client.post(f"/v2/{LOCATION}/queues", {"name": QUEUE})
    return QUEUE


def test_a_task_is_made_sent_and_gone(client, target, queue):
    """CT-180 CT-183 CT-188: with curl's eyes: made, pushed to its target with its body, and no more there."""
    request = {"url": target.url("/work"), "httpMethod": 4, "headers": {"X-Colour": "blue"}, "body": "aGVsbG8"}
    task = client.post(f"/v2/{queue}/tasks?$alt=json;enum-encoding=int", {"task": {"name": f"{queue}/tasks/one", "httpRequest": request}})
    assert (task["name"], task["httpRequest"]["httpMethod"], task["view"]) == (f"{queue}/tasks/one", 4, 1)
    push = wait_until(lambda: target.pushes and target.pushes[0], "the push")
    assert (push.method, push.path, push.body, push.headers["x-colour"]) == ("PUT", "/work", b"hello", "blue")
    wait_until(lambda: client.get(f"/v2/{queue}/tasks") == {}, "the task to end")
    with pytest.raises(Refused) as gone:
        client.get(f"/v2/{queue}/tasks/one")
    assert (gone.value.status, gone.value.error["status"]) == (404, "NOT_FOUND")
    with pytest.raises(Refused) as refused:
        client.post(f"/v2/{queue}/tasks", {"task": {"nonsense": 1}})
    assert refused.value.error["details"][0]["fieldViolations"][0]["field"] == "task"


def test_what_was_answered_survives_a_kill(make_server):
    """CT-085"""
    server = make_server()
    server.client.post(f"/v2/{LOCATION}/queues", {"name": QUEUE})
    server.client.post(f"/v2/{QUEUE}:pause")
    made = server.client.post(f"/v2/{QUEUE}/tasks", {"task": {"httpRequest": {"url": "http://127.0.0.1:9/"}}})
    server.kill()
    server.start()
    assert server.client.get(f"/v2/{made['name']}")["httpRequest"]["url"] == "http://127.0.0.1:9/"


def test_projects_with_a_colon(client):
    """CT-007"""
    name = "projects/example.com:app/locations/here/queues/q"
    client.post("/v2/projects/example.com%3Aapp/locations/here/queues", {"name": name})
    assert client.get(f"/v2/{name}")["name"] == name


def test_locations_where_nodes_client_looks(client):
    """CT-191"""
    assert client.get("/v1/projects/p/locations")["locations"][0]["locationId"] == "local"
    assert client.get("/v1/projects/p/locations/here")["name"] == "projects/p/locations/here"
    # What is below stays the native door's.
    assert client.get("/v1/projects/default/locations/local/queues/default")["name"] == "default"


def test_a_buffered_body_arrives_as_it_is(client, target, queue):
    """CT-213: the body and its headers, at the queue's own URL."""
    override = {"scheme": "HTTP", "host": "127.0.0.1", "port": target.port, "pathOverride": {"path": "/in"}}
    client.call("PATCH", f"/v2/{queue}?updateMask=httpTarget", {"httpTarget": {"uriOverride": override}})
    status, _, body = client.raw("POST", f"/v2/{queue}/tasks/t1:buffer", b"something", {"X-Mine": "yes", "Authorization": "Bearer x"})
    assert status == 200, body
    assert json.loads(body)["task"]["name"] == f"{queue}/tasks/t1"
    push = wait_until(lambda: target.pushes and target.pushes[0], "the push")
    assert (push.path, push.body, push.headers["x-mine"]) == ("/in", b"something", "yes")
    assert "authorization" not in push.headers


def test_firebase_enqueues_to_the_default_url_of_a_queue(client, target):
    """CT-249: the command line registers a queue, an Admin SDK adds a task without a URL."""
    client.post(f"/{QUEUE}", {"defaultUri": target.url("/project/us/function"), "memory": None})
    body = base64.b64encode(b'{"data":{}}').decode()
    task = {"name": f"{QUEUE}/tasks/one", "httpRequest": {"url": "", "body": body, "headers": {"Content-Type": "application/json"}}}
    client.post(f"/{QUEUE}/tasks", {"task": task})
    with pytest.raises(Refused) as again:
        client.post(f"/{QUEUE}/tasks", {"task": task})
    assert again.value.status == 409
    push = wait_until(lambda: target.pushes and target.pushes[0], "the push")
    assert (push.method, push.path, push.body) == ("POST", "/project/us/function", b'{"data":{}}')
    # A URL of its own stays as it is, with nothing of the default.
    client.post(f"/{QUEUE}/tasks", {"task": {"httpRequest": {"url": target.url("")}}})
    assert wait_until(lambda: len(target.pushes) == 2 and target.pushes[1], "the second push").path == "/"
    with pytest.raises(Refused) as missing:
        client.delete(f"/{QUEUE}/tasks/none")
    assert missing.value.status == 404
