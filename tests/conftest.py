"""Fixtures: a fresh deferd a test, stopped by its process id whatever the test did; targets that pushes go to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from harness import DEFER, Client, Server, Target, clean_environment  # noqa: E402


@pytest.fixture
def make_server(tmp_path: Path):
    servers: list[Server] = []

    def make(*flags: str, name: str = "server", start: bool = True, **further) -> Server:
        server = Server(tmp_path / name, *flags, **further)
        servers.append(server)
        return server.start() if start else server

    yield make
    for server in servers:
        server.kill()


@pytest.fixture
def server(make_server) -> Server:
    return make_server()


@pytest.fixture
def client(server: Server) -> Client:
    return server.client


@pytest.fixture
def defer(server: Server):
    """The command line: what it prints when it ends as expected."""

    def run(*arguments: str, expect: int = 0) -> str:
        ended = subprocess.run([str(DEFER), *arguments], capture_output=True, text=True, timeout=60,
                               env=clean_environment(DEFERD_URL=f"http://127.0.0.1:{server.port}"))
        assert ended.returncode == expect, ended.stderr + ended.stdout
        return ended.stdout

    return run


@pytest.fixture
def make_target():
    targets: list[Target] = []

    def make(answer=lambda push: 200, tls=None) -> Target:
        targets.append(Target(answer, tls))
        return targets[-1]

    yield make
    for target in targets:
        target.close()


@pytest.fixture
def target(make_target) -> Target:
    return make_target()
