"""taskqueue.add and Queue.add: what is added is what a handler gets."""

from __future__ import annotations

import datetime
import re
import threading
import time

import pytest
from sdk import HOSTNAME, point_sdk_at, rpc
from google.appengine.api import namespace_manager, taskqueue
from google.appengine.api.taskqueue import taskqueue_service_bytes_pb2 as pb
from google.appengine.runtime import apiproxy_errors, default_api_stub
from harness import Server, wait_until


def test_one_task_gets_a_name_and_is_pushed(app, push):
    """GAE-020 GAE-023 GAE-040: a script adds by environment variables alone; the name is chosen and comes back."""
    task = taskqueue.add(url="/work/one", params={"a": "1"}, queue_name=push.name)
    assert task.was_enqueued
    assert task.queue_name == push.name
    assert re.fullmatch(r"[0-9]{17,20}", task.name)
    got = app.wait("/work/one")[0]
    assert got["headers"]["x-appengine-taskname"] == task.name
    assert got["headers"]["x-appengine-queuename"] == push.name
    assert got["form"] == {"a": ["1"]}


def test_a_thread_needs_the_ticket_of_its_own(app, push):
    """GAE-020 GAE-021: the recipe holds for each thread; without it nothing is sent at all."""
    outcome: list[object] = []

    def add(use: bool):
        default_api_stub.DefaultApiStub.SetUseRequestSecurityTicketForThread(use)
        try:
            outcome.append(push.add(taskqueue.Task(url="/work/thread")).was_enqueued)
        except apiproxy_errors.RPCFailedError as error:
            outcome.append(str(error))

    for use in (True, False):
        thread = threading.Thread(target=add, args=(use,))
        thread.start()
        thread.join()
    assert outcome == [True, "Attempted RPC call without active security ticket"]
    assert len(app.wait("/work/thread")) == 1


@pytest.mark.parametrize(("name", "given", "body", "content_type"), [
    ("text", {"payload": "grün"}, "grün".encode(), "text/plain; charset=utf-8"),
    ("bytes", {"payload": bytes(range(256))}, bytes(range(256)), "application/octet-stream"),
    ("params", {"params": {"k": "v w"}}, b"k=v+w", "application/x-www-form-urlencoded"),
])
def test_payloads_arrive_as_they_were_given(app, push, name, given, body, content_type):
    """GAE-024 GAE-205: text, bytes and parameters, each with the content type that App Engine gave it."""
    push.add(taskqueue.Task(url=f"/work/payload-{name}", **given))
    got = app.wait(f"/work/payload-{name}")[0]
    assert (got["body"], got["headers"].get("content-type")) == (body, content_type)
    assert got["headers"]["content-length"] == str(len(body))


def test_a_task_without_payload_has_an_empty_body(app, push):
    """GAE-024: and still a Content-Length, as POST must."""
    push.add(taskqueue.Task(url="/work/empty"))
    got = app.wait("/work/empty")[0]
    assert (got["method"], got["body"], got["headers"].get("content-length")) == ("POST", b"", "0")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "POST"])
def test_methods_paths_and_queries_arrive_as_they_are(app, push, method):
    """GAE-144: byte for byte, also what is escaped."""
    query = "" if method == "POST" else "?a=1&b=%2F%20x"
    push.add(taskqueue.Task(url=f"/work/method-{method}{query}", method=method))
    got = app.wait(f"/work/method-{method}")[0]
    assert (got["method"], got["query"]) == (method, query[1:])


def test_headers_of_the_task_arrive_and_reserved_ones_do_not(app, push):
    """GAE-140 GAE-142: a task cannot pretend to be cron, another queue or somebody else's address."""
    push.add(taskqueue.Task(url="/work/headers", headers={
        "X-Colour": "blue", "User-Agent": "foo", "X-AppEngine-QueueName": "forged", "x-appengine-cron": "true",
        "X-APPENGINE-USER-IP": "1.2.3.4"}))
    headers = app.wait("/work/headers")[0]["headers"]
    assert headers["x-colour"] == "blue"
    assert headers["user-agent"] == "foo AppEngine-Google; (+http://code.google.com/appengine)"
    assert headers["x-appengine-queuename"] == push.name
    assert headers["x-appengine-user-ip"] == "0.1.0.2"
    assert "x-appengine-cron" not in headers


def test_headers_of_app_engine(app, push):
    """GAE-135 GAE-136: what handlers and frameworks look at, on a first attempt."""
    before = time.time()
    task = push.add(taskqueue.Task(url="/work/first"))
    got = app.wait("/work/first")[0]
    headers = got["headers"]
    assert headers["x-appengine-taskname"] == task.name
    assert headers["x-appengine-taskretrycount"] == "0"
    assert headers["x-appengine-taskexecutioncount"] == "0"
    assert re.fullmatch(r"[0-9]+\.[0-9]{6}", headers["x-appengine-tasketa"])
    assert before - 0.001 <= float(headers["x-appengine-tasketa"]) <= time.time()
    assert "x-appengine-taskpreviousresponse" not in headers
    assert "x-appengine-taskretryreason" not in headers
    assert headers["x-appengine-https"] == "off"
    assert headers["x-appengine-country"] == "ZZ"
    assert headers["x-appengine-api-ticket"]
    assert headers["user-agent"] == "AppEngine-Google; (+http://code.google.com/appengine)"
    assert got["remote_addr"] == "0.1.0.2"  # what deferred looks at; the SDK took it from X-AppEngine-User-IP


def test_counts_and_reasons_of_retries(app, push):
    """GAE-136 GAE-137: 503, 404, 500, then success."""
    app.script("/work/retried", 503, 404, 500)
    push.add(taskqueue.Task(url="/work/retried"))
    got = [one["headers"] for one in app.wait("/work/retried", 4)]
    assert [one["x-appengine-taskretrycount"] for one in got] == ["0", "1", "2", "3"]
    assert [one["x-appengine-taskexecutioncount"] for one in got] == ["0", "1", "2", "3"]
    assert [one.get("x-appengine-taskpreviousresponse") for one in got] == [None, "503", "404", "500"]
    assert got[3]["x-appengine-taskretryreason"] == "App Error"
    wait_until(lambda: push.fetch_statistics().tasks == 0, "the task to end")


def test_countdown_and_eta(app, push):
    """GAE-046 GAE-154: a task is not early, and its ETA is what was asked for, to the microsecond."""
    eta = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=1, microseconds=123)
    added = push.add([taskqueue.Task(url="/work/eta", eta=eta), taskqueue.Task(url="/work/countdown", countdown=1)])
    expected = int(eta.timestamp() * 1e6 + 0.5)
    listed = rpc("FetchTask", pb.TaskQueueFetchTaskRequest(queue_name=push.name.encode(), task_name=added[0].name.encode()))
    assert abs(listed.task.task[0].eta_usec - expected) <= 1  # the SDK counts in floating point
    assert listed.task.task[0].eta_usec == round(added[0].eta_posix * 1e6)
    assert not app.seen("/work/eta")
    got = app.wait("/work/eta")[0]
    assert time.time() >= eta.timestamp()
    assert float(got["headers"]["x-appengine-tasketa"]) == pytest.approx(eta.timestamp(), abs=2e-6)
    app.wait("/work/countdown")


def test_a_list_is_one_call_and_keeps_its_order(app, push):
    """GAE-053: a hundred tasks, a hundred names."""
    tasks = [taskqueue.Task(url="/work/list", params={"n": n}) for n in range(100)]
    push.add(tasks)
    assert len({task.name for task in tasks}) == 100
    got = app.wait("/work/list", 100)
    names = {one["headers"]["x-appengine-taskname"]: one["form"]["n"] for one in got}
    assert all(names[task.name] == [str(n)] for n, task in enumerate(tasks))


def test_asynchronous_adds(app, push):
    """GAE-018: twenty calls under way at once, each with its own answer."""
    rpcs = [push.add_async(taskqueue.Task(url="/work/async", name=f"async-{n}")) for n in range(20)]
    assert [one.get_result().name for one in rpcs] == [f"async-{n}" for n in range(20)]
    assert {one["headers"]["x-appengine-taskname"] for one in app.wait("/work/async", 20)} == {f"async-{n}" for n in range(20)}


def test_a_name_is_taken_while_it_lives_and_after(app, push):
    """GAE-086 GAE-050 GAE-071: nine of ten are added although the SDK raises."""
    push.add(taskqueue.Task(url="/work/named", name="again", countdown=600))
    batch = [taskqueue.Task(url="/work/named-batch", name="again" if n == 4 else None) for n in range(10)]
    with pytest.raises(taskqueue.TaskAlreadyExistsError):
        push.add(batch)
    assert [task.was_enqueued for task in batch] == [n != 4 for n in range(10)]
    assert len(app.wait("/work/named-batch", 9)) == 9
    push.delete_tasks_by_name("again")
    with pytest.raises(taskqueue.TombstonedTaskError):
        push.add(taskqueue.Task(url="/work/named", name="again"))


def test_the_default_queue_and_default_url(app):
    """GAE-072: the queue "default" is there, and its tasks go to /_ah/queue/default."""
    task = taskqueue.add(payload="x")
    assert task.queue_name == "default"
    assert app.wait("/_ah/queue/default")[-1]["headers"]["x-appengine-taskname"] == task.name


def test_a_handler_adds_another_task_by_its_ticket(app, push):
    """GAE-148 GAE-020: the application has no ticket but what the push brought."""
    push.add(taskqueue.Task(url=f"/chain/{push.name}", params={"left": 3}))
    assert app.wait("/work/chained")[0]["form"]["parent"]
    push.add(taskqueue.Task(url=f"/chain-in-thread/{push.name}"))
    app.wait("/work/from-thread")


def test_namespaces_travel_with_the_task(app, push):
    """GAE-141: the handler runs in the namespace that added the task."""
    namespace_manager.set_namespace("tenant-a")
    try:
        push.add(taskqueue.Task(url="/work/namespace"))
    finally:
        namespace_manager.set_namespace("")
    got = app.wait("/work/namespace")[0]
    assert got["headers"]["x-appengine-current-namespace"] == "tenant-a"
    assert got["namespace"] == "tenant-a"
    push.add(taskqueue.Task(url="/work/no-namespace"))
    got = app.wait("/work/no-namespace")[0]
    assert (got["headers"].get("x-appengine-current-namespace"), got["namespace"]) == ("", "")


def test_host_of_an_untargeted_task_is_the_applications(app, push):
    """GAE-145: the host that the SDK names goes on the wire, and the connection to the application's address."""
    push.add(taskqueue.Task(url="/work/host"))
    assert app.wait("/work/host")[0]["headers"]["host"] == HOSTNAME


def test_other_services_are_not_there_and_applications_live_on(app, push):
    """GAE-003: memcache.set says False."""
    push.add(taskqueue.Task(url="/memcache"))
    assert app.wait("/memcache")[0]["memcache_set"] is False


class OnBothFamilies(Server):
    def command(self) -> list[str]:
        return [f"[::]:{self.port}" if word == f"127.0.0.1:{self.port}" else word for word in super().command()]


def test_ipv6(deferd, tmp_path):
    """GAE-022: the SDK brackets an address."""
    other = OnBothFamilies(tmp_path / "ipv6", "--allow-unauthenticated", "true").start()
    point_sdk_at(other.port, "::1")
    try:
        assert taskqueue.add(url="/x", countdown=60).was_enqueued
        assert other.client.stats("default")["tasks"] == 1
    finally:
        point_sdk_at(deferd.port)
        other.kill()
