"""What survives: kill -9, SIGTERM, a full disk; and who may open the data folder."""

from __future__ import annotations

import os
import subprocess
import threading

import pytest
from harness import Answer, Refused, Server, clean_environment, wait_until


def test_what_was_acknowledged_survives_kill_9(server, client, target):
    client.put("/v1/queues/pull", {"mode": "pull", "max_tasks": 1000})
    client.put("/v1/queues/push", {"rate": "7/s", "tombstone": "1h"})
    client.post("/v1/queues/push:pause")
    for i in range(20):
        client.add("pull", body=str(i), **({"name": f"n{i}"} if i % 2 else {}))
    client.add("push", url=target.url("/later"), name="later")
    (leased, acked) = client.post("/v1/queues/pull/tasks:lease", {"max": 2, "lease": "1h"})["tasks"]
    client.post("/v1/queues/pull/tasks:ack", {"tasks": [{"id": acked["id"], "lease_token": acked["lease_token"]}]})
    server.kill()
    server.start()
    assert client.get("/v1/queues/pull")["max_tasks"] == 1000
    assert client.get("/v1/queues/push")["state"] == "paused"
    stats = wait_until(lambda: (s := client.stats("pull"))["tasks"] == 19 and s, "19 tasks")
    assert stats["leased"] == 1
    with pytest.raises(Refused) as taken:
        client.add("pull", body="x", name="n3")
    assert taken.value.status == 409
    # The lease is still its worker's, and nobody else's.
    others = client.post("/v1/queues/pull/tasks:lease", {"max": 100, "lease": "1h"})["tasks"]
    assert sorted(task["body"] for task in others) == sorted(str(i) for i in range(2, 20))
    answer = client.post("/v1/queues/pull/tasks:ack", {"tasks": [{"id": leased["id"], "lease_token": leased["lease_token"]}]})
    assert "error" not in answer["results"][0]
    client.post("/v1/queues/push:resume")
    wait_until(lambda: target.pushes, "the push after the restart")


def test_sigterm_lets_running_attempts_end_and_exits_0(server, client, make_target):
    target = make_target(lambda push: Answer(200, delay=0.7))
    client.put("/v1/queues/q", {})
    client.add("q", url=target.url("/slow"))
    wait_until(lambda: target.pushes, "the attempt to begin")
    assert server.stop() == 0
    server.start()
    # It ended well before the stop, and that was recorded: nothing is left to be sent again.
    assert client.stats("q")["tasks"] == 0
    assert len(target.pushes) == 1


def test_sigterm_wakes_long_polls(server, client):
    client.put("/v1/queues/work", {"mode": "pull"})
    answered = []

    def poll():
        try:
            answered.append(client.post("/v1/queues/work/tasks:lease", {"max": 1, "wait": "50s"}))
        except (Refused, OSError) as refused:
            answered.append(refused)

    waiting = threading.Thread(target=poll)
    waiting.start()
    assert server.stop(seconds=15) == 0
    waiting.join(5)
    assert answered


def test_a_second_server_on_the_same_folder_is_refused(server, client, target):
    second = Server(server.folder)
    ended = subprocess.run(second.command(), capture_output=True, text=True, timeout=30, env=clean_environment())
    assert ended.returncode != 0
    assert str(server.process.pid) in ended.stderr or "lock" in ended.stderr.lower()
    client.add("default", url=target.url())
    wait_until(lambda: target.pushes, "the first server to go on")


@pytest.mark.parametrize(
    "flags, environment, said",
    [
        (["--lissten", "127.0.0.1:1"], {}, "did you mean --listen?"),
        ([], {"DEFERD_LISTN": "127.0.0.1:1"}, "did you mean DEFERD_LISTEN?"),
        (["--listen", "nowhere"], {}, "127.0.0.1:8123"),
        (["--config", "CONFIG"], {}, ":2:1: there is no setting \"colour\""),
    ],
)
def test_an_unknown_or_wrong_setting_is_refused(make_server, tmp_path, flags, environment, said):
    config = tmp_path / "deferd.yaml"
    config.write_text("log_level: warn\ncolour: blue\n")
    server = make_server(start=False)
    command = [*server.command()[:3], *[str(config) if flag == "CONFIG" else flag for flag in flags]]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, env=clean_environment(**environment))
    assert ended.returncode != 0
    assert said in ended.stderr
    assert not server.data.exists()


def test_settings_in_force_are_served(make_server, tmp_path):
    config = tmp_path / "deferd.yaml"
    config.write_text("drain_timeout: 5s\n")
    server = make_server("--config", str(config))
    settings = server.client.get("/v1/config")["settings"]
    assert settings["drain_timeout"] == {"value": "5s", "from": f"{config}:1:16"}
    assert settings["listen"]["from"] == "--listen"
    assert settings["store"] == {"value": "rocksdb", "from": "default"}


def test_the_data_folder_is_private(server):
    assert os.stat(server.data).st_mode & 0o777 == 0o700


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 320 MB, as root; elsewhere the test is skipped, and says so."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=320m", "deferd-test", str(folder)], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"no small file system: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_acknowledges_nothing_and_loses_nothing(small_disk, make_server):
    server = make_server(start=False)
    server.data = small_disk / "data"
    server.start()
    client = server.client
    client.put("/v1/queues/work", {"mode": "pull"})
    acknowledged = []
    # What is taken away later must be more than what the store's log holds: opening moves that into tables.
    ballast = small_disk / "ballast"
    with open(ballast, "wb") as file:
        for _ in range(224):
            file.write(b"\0" * (1 << 20))
    refusal = None
    for i in range(10_000):
        try:
            acknowledged.append(client.add("work", body=f"{i} " + "x" * 60_000)["id"])
        except Refused as refused:
            refusal = refused
            break
    assert refusal is not None, "the disk did not fill"
    assert refusal.status >= 500
    assert refusal.error["message"]
    # Refused now means refused later; what is asked is still answered, and the truth is told.
    with pytest.raises(Refused):
        client.add("work", body="small")
    assert client.get("/v1/queues/work")["mode"] == "pull"
    assert client.stats("work")["tasks"] >= len(acknowledged)
    assert client.raw("GET", "/readyz")[0] == 503
    assert client.raw("GET", "/healthz")[0] in (200, 503)
    assert server.alive()
    server.kill()
    ballast.unlink()
    server.start()
    found = {task["id"] for task in client.tasks("work")}
    assert set(acknowledged) <= found
    # At most what was being written when the disk filled may be there too, although it was refused.
    assert len(found) - len(acknowledged) <= 2
    client.add("work", body="after")
