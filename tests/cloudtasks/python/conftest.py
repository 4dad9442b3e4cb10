"""One deferd, one target and one client a version, over the transport that --transport names."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest
from harness import Server, Target, wait_until

sys.path.insert(0, str(Path(__file__).resolve().parent))

from clients import TRANSPORTS, make_client  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--transport", choices=TRANSPORTS, default="grpc")


class World:
    """What a test calls. Each test makes queues of its own, so that none sees another's tasks."""

    parent = "projects/my-project/locations/us-central1"

    def __init__(self, deferd: Server, target: Target, transport: str):
        self.deferd = deferd
        self.target = target
        self.transport = transport
        self.v2, self.v2beta3, self.v2beta2 = (
            make_client(version, transport, deferd.port) for version in ("v2", "v2beta3", "v2beta2"))
        self._numbers = itertools.count(1)

    def new_queue_name(self) -> str:
        return f"{self.parent}/queues/q{next(self._numbers)}"

    def make_queue(self, client, **settings):
        return client.create_queue(parent=self.parent, queue={"name": self.new_queue_name(), **settings})

    def arrived(self, path: str, count: int = 1):
        """The pushes for `path`, once there are `count` of them."""
        def find():
            found = [push for push in self.target.pushes if push.path == path]
            return len(found) >= count and found

        return wait_until(find, f"{count} pushes for {path}")


@pytest.fixture(scope="session")
def world(tmp_path_factory, request):
    server = Server(tmp_path_factory.mktemp("deferd")).start()
    target = Target(lambda push: 503 if push.path.startswith("/busy") else 200)
    yield World(server, target, request.config.getoption("--transport"))
    target.close()
    server.kill()
