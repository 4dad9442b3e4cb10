"""queue.yaml with a real server: at the start, on SIGHUP, by `defer apply` and by App Engine's old path."""

from __future__ import annotations

import signal
import subprocess

import pytest
from harness import DEFER, Server, clean_environment, wait_until

MAIL = "queue:\n- name: mail\n  rate: 10/m\n"


@pytest.fixture
def with_file(make_server) -> Server:
    server = make_server(start=False)
    server.flags += ["--queue-yaml", str(server.folder / "queue.yaml")]
    return server


def write(server: Server, text: str) -> None:
    server.folder.mkdir(parents=True, exist_ok=True)
    (server.folder / "queue.yaml").write_text(text)


def reload(server: Server, text: str) -> None:
    """A new file and SIGHUP, until the server has said what it made of it."""
    told = server.log().count('"event":"reload.')
    write(server, text)
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: server.log().count('"event":"reload.') > told, "the reload to be told in the log")


def states(server: Server, project: str = "default") -> dict[str, str]:
    queues = server.client.get(f"/v1/projects/{project}/locations/local/queues")["queues"]
    return {queue["name"]: queue["state"] for queue in queues}


def test_a_file_is_applied_at_the_start_and_on_sighup(with_file):
    """GAE-177, GAE-185"""
    write(with_file, MAIL)
    with_file.start()
    assert with_file.client.get("/v1/queues/mail")["rate"] == "10/m"

    reload(with_file, "queue:\n- name: news\n  mode: pull\n")
    assert states(with_file) == {"default": "running", "mail": "disabled", "news": "running"}
    reload(with_file, MAIL.replace("10/m", "5/s"))
    assert states(with_file) == {"default": "running", "mail": "running", "news": "disabled"}
    assert with_file.client.get("/v1/queues/mail")["rate"] == "5/s"

    with_file.kill()
    with_file.start()
    assert states(with_file) == {"default": "running", "mail": "running", "news": "disabled"}


def test_a_wrong_file_changes_nothing_on_sighup_and_stops_a_start(with_file):
    """GAE-176"""
    write(with_file, MAIL)
    with_file.start()
    reload(with_file, "queue:\n- name: news\n  rate: 1/s\n- name: mail\n  ratee: 1/s\n")
    assert states(with_file) == {"default": "running", "mail": "running"}
    assert "queue.yaml:5:3: queue \\\"mail\\\": Unexpected attribute 'ratee'" in with_file.log()
    with_file.stop()

    ended = subprocess.run(with_file.command(), capture_output=True, text=True, timeout=30, env=clean_environment())
    assert ended.returncode == 1
    assert "queue.yaml:5:3: queue \"mail\": Unexpected attribute 'ratee' for object of type QueueEntry." in ended.stderr


def test_defer_apply_and_app_engines_path_do_what_the_file_does(with_file):
    """GAE-185"""
    write(with_file, MAIL + "  bucket_size: 7\n  target: worker\n")
    with_file.start()
    settings = with_file.client.get("/v1/queues/mail")
    file = with_file.folder / "queue.yaml"

    applied = subprocess.run([DEFER, "--url", f"http://127.0.0.1:{with_file.port}", "--project", "cli", "apply", file],
                             capture_output=True, text=True, timeout=30, env=clean_environment())
    assert applied.returncode == 0, applied.stderr
    status = with_file.client.raw("POST", "/api/queue/update?appId=s~old", file.read_text().encode())[0]
    assert status == 200
    for project in ("cli", "old"):
        other = with_file.client.get(f"/v1/projects/{project}/locations/local/queues/mail")
        for queue in (settings, other):
            for name in ("project", "created"):
                queue.pop(name, None)
        assert other == settings
