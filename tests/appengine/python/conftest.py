"""One deferd and one application for a module, and the SDK of this process pointed at them.

The tests are what the SDK's documentation calls a script: a process outside of a request, with a ticket in its
environment. The application is another process (target_app.py) that deferd pushes to.
"""

from __future__ import annotations

import itertools
import re
import sys
from pathlib import Path

import pytest
from harness import Server, free_port

sys.path.insert(0, str(Path(__file__).resolve().parent))

from google.appengine.api import taskqueue  # noqa: E402
from google.appengine.runtime import default_api_stub  # noqa: E402
from sdk import Application, point_sdk_at, register  # noqa: E402


@pytest.fixture(scope="module")
def ports() -> tuple[int, int]:
    """Of deferd and of the application, each of which must know the other's."""
    return free_port(), free_port()


@pytest.fixture(scope="module")
def flags() -> list[str]:
    """More flags for deferd; a module may have its own."""
    return []


@pytest.fixture(scope="module")
def deferd(tmp_path_factory, ports, flags):
    folder, app_url = tmp_path_factory.mktemp("deferd"), f"http://127.0.0.1:{ports[1]}"
    server = Server(folder, "--app-url", app_url, *flags, port=ports[0]).start()
    point_sdk_at(server.port)
    register()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def app(tmp_path_factory, deferd, ports):
    application = Application(tmp_path_factory.mktemp("application"), *ports)
    yield application
    application.close()


@pytest.fixture(autouse=True)
def ticket_for_this_thread():
    default_api_stub.DefaultApiStub.SetUseRequestSecurityTicketForThread(True)


_numbers = itertools.count(1)


def _make_queue(deferd: Server, request, **settings) -> taskqueue.Queue:
    name = re.sub(r"[^a-zA-Z0-9]+", "-", request.node.name)[:60].strip("-") + f"-{next(_numbers)}"
    deferd.client.put(f"/v1/queues/{name}", settings)
    return taskqueue.Queue(name)


@pytest.fixture
def make_queue(deferd, request):
    """A queue of its own for the test, so that tests do not see each other's tasks."""
    return lambda **settings: _make_queue(deferd, request, **settings)


@pytest.fixture
def push(make_queue) -> taskqueue.Queue:
    return make_queue(retry={"min_backoff": "0.01s", "max_backoff": "0.05s"})


@pytest.fixture
def pull(make_queue) -> taskqueue.Queue:
    return make_queue(mode="pull")
