"""defer against a real deferd: what the unit tests cannot say, that both speak the same language."""

from __future__ import annotations

import json
import pty
import os
import subprocess

import pytest
from harness import DEFER, clean_environment, free_port, wait_until


@pytest.fixture
def defer(server):
    def run(*arguments: str, given: str = "", expect: int = 0) -> str:
        ended = subprocess.run([str(DEFER), *arguments], input=given, capture_output=True, text=True, timeout=60,
                               env=clean_environment(DEFERD_URL=f"http://127.0.0.1:{server.port}"))
        assert ended.returncode == expect, ended.stderr
        return ended.stdout if expect == 0 else ended.stderr

    return run


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_task_is_added_listed_run_and_gone(defer, target, client):
    assert lines(defer("queues", "set", "mail", "--rate", "5/s"))[0]["rate"] == "5/s"
    defer("queues", "pause", "mail")
    (task,) = lines(defer("add", "mail", target.url("/hello"), "-d", "good morning", "--name", "n1"))
    assert [t["id"] for t in lines(defer("tasks", "ls", "mail"))] == [task["id"]]
    assert lines(defer("tasks", "show", "mail", "n1"))[0]["state"] == "ready"
    defer("tasks", "run", "mail", "n1")
    assert wait_until(lambda: target.pushes, "the push")[0].body == b"good morning"
    wait_until(lambda: lines(defer("stats", "mail"))[0]["tasks"] == 0, "the task to end")
    assert "n1" in defer("tasks", "show", "mail", "n1", expect=1)
    assert {queue["name"] for queue in lines(defer("queues", "ls"))} == {"default", "mail"}
    defer("queues", "rm", "mail")
    assert "mail" in defer("queues", "show", "mail", expect=1)


def test_a_batch_leases_and_acks(defer):
    defer("queues", "set", "work", "--mode", "pull")
    given = "".join(json.dumps({"body": f"task {i}"}) + "\n" for i in range(2500))
    assert json.loads(defer("batch", "work", given=given)) == {"stored": 2500, "refused": 0}
    leased = defer("lease", "work", "--max", "1000", "--for", "5m")
    assert len(lines(leased)) == 1000
    assert lines(leased)[0]["body"] == "task 0"
    renewed = defer("renew", "work", "--for", "10m", given=leased)
    assert json.loads(renewed) == {"renewed": 1000, "refused": 0}
    assert json.loads(defer("ack", "work", given=leased)) == {"acknowledged": 1000, "refused": 0}
    assert "error" not in defer("ack", "work", given=leased, expect=1)
    (task,) = lines(defer("lease", "work"))
    word = f"{task['id']}:{task['lease_token']}"
    assert json.loads(defer("release", "work", word, "--delay", "0s")) == {"released": 1, "refused": 0}
    assert lines(defer("stats"))[-1]["tasks"] == 1500


def test_a_bad_line_is_told_and_the_rest_is_stored(defer):
    defer("queues", "set", "work", "--mode", "pull")
    said = defer("batch", "work", given='{"body":"a"}\n{"body":"b","colour":1}\n{"body":"c"}\n', expect=1)
    assert "line 2" in said and "colour" in said
    assert lines(defer("stats", "work"))[0]["tasks"] == 2


def test_status_config_and_a_server_that_is_not_there(defer, server):
    assert json.loads(defer("server", "status"))["ready"] is True
    assert json.loads(defer("server", "config"))["settings"]["listen"]["value"] == f"127.0.0.1:{server.port}"
    assert "deferd --listen" in defer("server", "status", "--url", f"http://127.0.0.1:{free_port()}", expect=3)


def test_purge_asks_on_a_terminal(defer, server, client, target):
    client.post("/v1/queues/default:pause")
    client.add("default", url=target.url())
    main, terminal = pty.openpty()
    asked = subprocess.Popen([str(DEFER), "queues", "purge", "default"], stdin=terminal, stdout=terminal, stderr=terminal,
                             env=clean_environment(DEFERD_URL=f"http://127.0.0.1:{server.port}"))
    os.close(terminal)
    question = b""
    while b"[y/N]" not in question:
        question += os.read(main, 1000)
    os.write(main, b"n\n")
    assert asked.wait(10) == 1
    assert client.stats("default")["tasks"] == 1
    os.close(main)


def test_a_closed_pipe_is_silence(defer, server):
    defer("queues", "set", "work", "--mode", "pull")
    defer("batch", "work", given='{"body":"x"}\n' * 3000)
    shell = f"{DEFER} tasks ls work | head -n 1"
    ended = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=60,
                           env=clean_environment(DEFERD_URL=f"http://127.0.0.1:{server.port}"))
    assert len(ended.stdout.splitlines()) == 1
    assert ended.stderr == ""


def test_completion_knows_queues(defer):
    defer("queues", "set", "mail-eu")
    assert defer("complete", "--", "queues", "pause", "ma").split() == ["mail-eu"]
    shell = f"PATH={DEFER.parent}:$PATH; source <(defer completion bash); COMP_WORDS=(defer que); COMP_CWORD=1; _defer; echo $COMPREPLY"
    assert subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=60).stdout.strip() == "queues"
