"""target=, the Host header and the table `apps` of deferd.yaml: which service a task arrives at."""

from __future__ import annotations

import pytest
from sdk import HOSTNAME, point_sdk_at
from google.appengine.api import taskqueue
from harness import wait_until


@pytest.fixture
def services(deferd, make_server, make_target, tmp_path):
    """Targets by the name of their service, behind a server that has them in its table."""
    targets = {name: make_target() for name in ("default", "worker", "v2.worker")}
    (tmp_path / "deferd.yaml").write_text(f"""
apps:
  default:
    hostname: {HOSTNAME}
    url: {targets["default"].url("")}
    services:
      worker: {targets["worker"].url("")}
      v2.worker: {targets["v2.worker"].url("")}
""")
    server = make_server("--config", str(tmp_path / "deferd.yaml"), name="routed")
    point_sdk_at(server.port)
    yield targets
    point_sdk_at(deferd.port)


@pytest.mark.parametrize(("target", "service", "host"), [
    ("worker", "worker", f"worker.{HOSTNAME}"),
    ("v2.worker", "v2.worker", f"v2.worker.{HOSTNAME}"),
    ("v3.worker", "worker", f"v3.worker.{HOSTNAME}"),
    ("nobody", "default", f"nobody.{HOSTNAME}"),
    (taskqueue.DEFAULT_APP_VERSION, "default", HOSTNAME),
    (None, "default", HOSTNAME),
])
def test_a_target_is_a_service(services, target, service, host):
    """GAE-145: the most exact name of the table; who is not in it goes to the application."""
    taskqueue.add(url="/work?a=1", method="GET", target=target)
    push = wait_until(lambda: services[service].pushes, f"the task at {service}")[0]
    assert (push.path, push.headers["host"]) == ("/work?a=1", host)
    assert push.headers["x-appengine-default-version-hostname"] == HOSTNAME
    assert sum(len(one.pushes) for one in services.values()) == 1


@pytest.mark.parametrize(("host", "service"), [
    (f"v2-dot-worker.{HOSTNAME}", "v2.worker"),
    ("elsewhere.example.org", "default"),
    ("127.0.0.1:1", "default"),
])
def test_hosts_of_other_spellings(services, host, service):
    """GAE-145 GAE-146: -dot- is a dot; a foreign host is never connected to."""
    taskqueue.add(url="/work", headers={"Host": host})
    push = wait_until(lambda: services[service].pushes, f"the task at {service}")[0]
    assert push.path == "/work"
    assert sum(len(one.pushes) for one in services.values()) == 1


def test_a_queues_target_wins(services, tmp_path, make_server):
    """GAE-147: over the task's own, as queue.yaml says."""
    (tmp_path / "queue.yaml").write_text("queue:\n- name: bound\n  rate: 5/s\n  target: v2.worker\n")
    server = make_server("--config", str(tmp_path / "deferd.yaml"), "--queue-yaml", str(tmp_path / "queue.yaml"), name="bound")
    point_sdk_at(server.port)
    taskqueue.add(url="/work", queue_name="bound", target="worker")
    wait_until(lambda: services["v2.worker"].pushes, "the task at the queue's target")
    assert services["worker"].pushes == []
