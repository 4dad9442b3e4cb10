"""The SDK of this process pointed at a server, and the application that the server pushes to."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from google.appengine.api import apiproxy_stub_map
from google.appengine.api.taskqueue import taskqueue_service_bytes_pb2 as pb
from google.appengine.runtime import default_api_stub
from harness import Client, clean_environment, wait_until

HERE = Path(__file__).resolve().parent
HOSTNAME = "myapp.example.com"  # of the default version: what target= is a prefix of


def point_sdk_at(port: int, host: str = "127.0.0.1") -> None:
    """The environment variables of docs/guides/app-engine.md, in this process."""
    os.environ["API_HOST"] = host
    os.environ["API_PORT"] = str(port)
    os.environ["GAE_APPLICATION"] = "s~myapp"
    os.environ["HTTP_X_APPENGINE_API_TICKET"] = "tests"
    os.environ["HTTP_X_APPENGINE_DEFAULT_VERSION_HOSTNAME"] = os.environ["DEFAULT_VERSION_HOSTNAME"] = HOSTNAME
    os.environ["HTTP_HOST"] = HOSTNAME


def register() -> None:
    """What wrap_wsgi_app does for an application, for a process without one; and for the thread that calls this."""
    default_api_stub.Register(default_api_stub.DefaultApiStub())
    default_api_stub.DefaultApiStub.SetUseRequestSecurityTicketForThread(True)


def rpc(method: str, request, response=None):
    """A call that no function of the SDK makes: what the admin console and deployment did."""
    if response is None:
        response = getattr(pb, type(request).__name__.replace("Request", "Response"))()
    apiproxy_stub_map.MakeSyncCall("taskqueue", method, request, response)
    return response


class Application:
    """target_app.py under gunicorn: one process, some threads."""

    def __init__(self, folder: Path, api_port: int, port: int, **environment: str):
        self.port = port
        self.client = Client(port)
        self._log = open(folder / "application.log", "ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--workers", "1", "--threads", "8",
             "--keep-alive", "30", "--no-control-socket", "--log-level", "warning", "target_app:app"],
            cwd=HERE, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
            env=clean_environment(API_HOST="127.0.0.1", API_PORT=str(api_port), GAE_APPLICATION="s~myapp", **environment))
        wait_until(self._ready, f"the application to be ready (log: {self._log.name})", 30)

    def _ready(self) -> bool:
        assert self._process.poll() is None, f"the application ended:\n{Path(self._log.name).read_text()[-3000:]}"
        try:
            return self.client.raw("GET", "/test/ready")[0] == 200
        except OSError:
            return False

    def seen(self, path: str) -> list[dict]:
        """What handlers of `path` have got so far, bodies as bytes."""
        found = [one for one in self.client.get("/test/seen") if one["path"] == path]
        for one in found:
            one["body"] = base64.b64decode(one.get("body", ""))
        return found

    def wait(self, path: str, count: int = 1) -> list[dict]:
        return wait_until(lambda: (found := self.seen(path)) and len(found) >= count and found, f"{count} tasks at {path}")

    def script(self, path: str, *statuses: int) -> None:
        """What `path` answers next, one after another; then 200 again."""
        self.client.raw("POST", "/test/script", json.dumps({path: statuses}).encode(), {"Content-Type": "application/json"})

    def jobs(self, key: str) -> list[list]:
        """The arguments of each call of a job."""
        return [call[1:] for call in self.client.get("/test/jobs") if call[0] == key]

    def close(self) -> None:
        self.client.close()
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
