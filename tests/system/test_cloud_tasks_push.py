"""Tasks of Cloud Tasks, end to end over its REST API: what their targets are told, and what is shown of it."""

from __future__ import annotations

import base64
import calendar
import time

import pytest
from harness import Answer, Client, free_port, wait_until

QUEUES = "/v2/projects/p/locations/l/queues"
SEQUENCE = [503, 404, 429, 500, 302, 200]


def make_queue(client: Client, queue: str, **settings) -> str:
    """The queue's path; its retries come at once unless they are set."""
    settings.setdefault("retryConfig", {"minBackoff": "0.010s", "maxBackoff": "0.010s"})
    client.post(QUEUES, {"name": f"projects/p/locations/l/queues/{queue}", **settings})
    return f"{QUEUES}/{queue}"


def add(client: Client, path: str, **task) -> dict:
    return client.post(f"{path}/tasks", {"task": task})


def drained(client: Client, path: str) -> bool:
    return "tasks" not in client.get(f"{path}/tasks")


def test_http_tasks_are_told_what_cloud_tasks_tells_them(client, make_target):
    """CT-100, CT-101, CT-102, CT-103, CT-104, CT-107, CT-108, CT-109"""
    target = make_target(lambda push: SEQUENCE[len(target.pushes) - 1])
    path = make_queue(client, "mail")
    task = add(client, path, httpRequest={
        "url": target.url("/work?a=1"), "body": base64.b64encode(b"hello").decode(),
        "headers": {"X-mIXed": "As Is", "x-twice": "lower", "X-TWICE": "upper", "X-CloudTasks-TaskRetryCount": "7"}})
    wait_until(lambda: len(target.pushes) == 6, "six attempts")
    wait_until(lambda: drained(client, path), "the task to end")
    first = target.pushes[0]
    assert (first.method, first.path, first.body) == ("POST", "/work?a=1", b"hello")
    assert "X-mIXed: As Is" in first.lines
    assert [line.lower().startswith("x-twice:") for line in first.lines].count(True) == 1
    schedule = calendar.timegm(time.strptime(task["scheduleTime"][:19], "%Y-%m-%dT%H:%M:%S"))
    assert abs(float(first.headers["x-cloudtasks-tasketa"]) - schedule) < 1.01
    for push in target.pushes:
        assert push.headers["user-agent"] == "Google-Cloud-Tasks"
        assert push.headers["x-cloudtasks-queuename"] == "mail"
        assert push.headers["x-cloudtasks-taskname"] == task["name"].rsplit("/", 1)[1]
        assert "content-type" not in push.headers
        assert not [name for name in push.headers if name.startswith("x-deferd-")]

    def told(name: str) -> list:
        return [push.headers.get("x-cloudtasks-task" + name) for push in target.pushes]

    assert told("retrycount") == ["0", "1", "2", "3", "4", "5"]
    assert told("executioncount") == ["0", "0", "1", "2", "2", "3"]
    assert told("previousresponse") == [None, "503", "404", "429", "500", "302"]
    assert told("retryreason") == [None, "", "", "", "", ""]


def test_app_engine_tasks_are_told_what_app_engine_tells_them(make_server, make_target):
    """CT-106"""
    target = make_target(lambda push: SEQUENCE[len(target.pushes) - 1])
    client = Client(make_server("--app-url", target.url("")).port)
    path = make_queue(client, "mail")
    add(client, path, appEngineHttpRequest={"relativeUri": "/work", "headers": {"User-Agent": "mine"}})
    wait_until(lambda: len(target.pushes) == 6, "six attempts")

    def told(name: str) -> list:
        return [push.headers.get("x-appengine-task" + name) for push in target.pushes]

    assert told("executioncount") == ["0", "1", "2", "3", "4", "5"]
    assert told("previousresponse") == [None, "503", "404", "429", "500", "302"]
    assert told("retryreason") == [None, "Instance Unavailable"] + 4 * ["App Error"]
    assert {push.headers["user-agent"] for push in target.pushes} == {
        "mine AppEngine-Google; (+http://code.google.com/appengine)"}


def test_a_bodiless_post_has_a_length(client, target):
    add(client, make_queue(client, "q"), httpRequest={"url": target.url()})
    wait_until(lambda: target.pushes, "the push")
    assert target.pushes[0].headers["content-length"] == "0"


def attempted(client: Client, name: str) -> dict:
    """The task, once its only attempt has ended."""
    return wait_until(lambda: "responseStatus" in (now := client.get("/v2/" + name)).get("lastAttempt", {}) and now,
                      "the attempt to end")


def test_a_failed_attempt_is_shown_and_nothing_of_what_was_sent(client, make_target):
    """CT-092, CT-116, CT-117"""
    target = make_target(lambda push: 503)
    path = make_queue(client, "q", retryConfig={"minBackoff": "100s"})
    shown = attempted(client, add(client, path, httpRequest={"url": target.url()})["name"])
    assert (shown["dispatchCount"], shown["responseCount"]) == (1, 1)
    assert set(shown["firstAttempt"]) == {"dispatchTime"}
    assert set(shown["lastAttempt"]) == {"scheduleTime", "dispatchTime", "responseTime", "responseStatus"}
    assert shown["lastAttempt"]["responseStatus"] == {"code": 14, "message": "UNAVAILABLE(14): HTTP status code 503"}
    assert shown["httpRequest"]["headers"] == {"User-Agent": "Google-Cloud-Tasks"}


def test_an_attempt_without_a_response_is_shown_as_one(client):
    """CT-115"""
    path = make_queue(client, "q", retryConfig={"minBackoff": "100s"})
    shown = attempted(client, add(client, path, httpRequest={"url": f"http://127.0.0.1:{free_port()}/"})["name"])
    assert (shown["dispatchCount"], shown.get("responseCount", 0)) == (1, 0)
    assert shown["lastAttempt"]["responseStatus"]["code"] == 14
    assert shown["scheduleTime"] > shown["lastAttempt"]["scheduleTime"]


def test_a_queues_http_target_reaches_stored_tasks(client, make_target):
    """CT-209, CT-210, CT-211, CT-212"""
    target = make_target()
    path = make_queue(client, "q")
    client.post(f"{path}:pause")
    task = add(client, path, httpRequest={
        "url": "https://nowhere.test:1/own?own", "body": base64.b64encode(b"hello").decode(), "headers": {"x-mine": "task"}})
    client.call("PATCH", f"{path}?updateMask=httpTarget", {"httpTarget": {
        "uriOverride": {"scheme": "HTTP", "host": "127.0.0.1", "port": str(target.port), "pathOverride": {"path": "theirs"},
                        "queryOverride": {"queryParams": ""}},
        "httpMethod": "GET", "headerOverrides": [{"header": {"key": "X-Mine", "value": "queue"}}]}})
    assert client.get("/v2/" + task["name"])["httpRequest"]["url"] == "https://nowhere.test:1/own?own"
    client.post(f"{path}:resume")
    push = wait_until(lambda: target.pushes and target.pushes[0], "the push")
    assert (push.method, push.path, push.body) == ("GET", "/theirs", b"")
    assert push.headers["x-mine"] == "queue"
    client.call("PATCH", f"{path}?updateMask=httpTarget", {})
    assert "httpTarget" not in client.get(path)
    add(client, path, httpRequest={"url": target.url("/own")})
    wait_until(lambda: len(target.pushes) == 2, "the second push")
    assert target.pushes[1].path == "/own"


@pytest.mark.parametrize("redirects", [0, 5])
def test_redirects_are_followed_when_enabled(make_server, make_target, redirects):
    """CT-111, CT-113"""
    other = make_target()
    target = make_target(lambda push: Answer(302, {"Location": other.url("/new")}) if len(target.pushes) == 1 else 200)
    client = Client(make_server("--push-redirects-max", str(redirects)).port)
    path = make_queue(client, "q")
    add(client, path, httpRequest={"url": target.url("/old"), "headers": {"Authorization": "Basic c2VjcmV0"}})
    wait_until(lambda: drained(client, path), "the task to end")
    assert target.pushes[0].headers["authorization"] == "Basic c2VjcmV0"
    if redirects == 0:
        assert (len(target.pushes), other.pushes) == (2, [])
        return
    assert len(target.pushes) == 1
    assert (other.pushes[0].method, other.pushes[0].path) == ("GET", "/new")
    assert "authorization" not in other.pushes[0].headers
    assert other.pushes[0].headers["x-cloudtasks-taskretrycount"] == "0"


def test_a_queue_is_throttled_when_enabled(make_server, make_target):
    """CT-122, CT-123: the queue's settings stay, its statistics and the log tell."""
    target = make_target(lambda push: 503)
    server = make_server("--push-throttling", "true")
    client = Client(server.port)
    path = make_queue(client, "q")
    for _ in range(50):
        add(client, path, httpRequest={"url": target.url()})
    stats = "/v2beta3/projects/p/locations/l/queues/q?readMask=stats"
    wait_until(lambda: client.get(stats)["stats"]["effectiveExecutionRate"] < 300, "the queue to be slowed", 30)
    assert "queue.throttled" in server.log()
    assert client.get(path)["rateLimits"]["maxDispatchesPerSecond"] == 500
