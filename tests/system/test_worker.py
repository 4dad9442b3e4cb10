"""deferd-worker, end to end: a program for each task, in a sandbox; what becomes of the task, and of the worker."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from harness import DEFER, DEFERD, ROOT, clean_environment, wait_until

WORKER = Path(os.environ.get("DEFERD_WORKER_BINARY", DEFERD.parent / "deferd-worker"))


class Worker:
    def __init__(self, server, folder: Path, *command: str, flags: tuple[str, ...] = (), **further):
        self.log_path = folder / "worker.log"
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [str(WORKER), "--server", f"http://127.0.0.1:{server.port}", "--queue", "work", *flags, "--", *command],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=clean_environment(), cwd=folder, **further)

    def events(self, name: str) -> list[dict]:
        lines = self.log_path.read_text().splitlines()
        return [event for event in map(json.loads, filter(lambda line: line.startswith("{"), lines)) if event["event"] == name]

    def ended(self, count: int) -> list[dict]:
        return wait_until(lambda: (found := self.events("task.ended"))[count - 1:] and found, f"{count} tasks to end", 30)


@pytest.fixture
def make_worker(server, client, tmp_path):
    client.put("/v1/queues/work", {"mode": "pull"})
    workers: list[Worker] = []

    def make(*command: str, flags: tuple[str, ...] = (), **further) -> Worker:
        workers.append(Worker(server, tmp_path, *command, flags=flags, **further))
        return workers[-1]

    yield make
    for worker in workers:
        if worker.process.poll() is None:
            worker.process.kill()
            worker.process.wait()


def script(folder: Path, text: str) -> str:
    path = folder / "handler"
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return str(path)


def test_a_program_that_succeeds_ends_its_task(client, make_worker, tmp_path):
    client.add("work", body="payload", name="one")
    worker = make_worker(script(tmp_path, 'cat >&2; echo " $DEFERD_QUEUE $DEFERD_TASK $DEFERD_ATTEMPT" >&2\n'))
    (event,) = worker.ended(1)
    assert (event["cause"], event["code"], event["log"]) == ("exited", 0, "payload work one 1\n")
    wait_until(lambda: client.stats("work")["tasks"] == 0, "the task to be gone")


def test_a_payload_may_be_the_arguments(client, make_worker):
    client.add("work", json=["a", "b c"])
    client.add("work", body="no JSON")
    worker = make_worker("/bin/sh", "-c", 'printf "[%s]" "$@" >&2', "sh", flags=("--input", "arguments"))
    assert sorted(event["log"] for event in worker.ended(2)) == ["[a][b c]", "[no JSON]"]


def test_a_flag_that_may_be_repeated_leaves_the_command_its_own(client, make_worker):
    client.add("work", body="x")
    worker = make_worker("/bin/sh", "-c", 'cat; echo " $A $B" >&2', flags=("--env", "A=1", "--env", "B=2"))
    assert [event["log"] for event in worker.ended(1)] == [" 1 2\n"]


def test_a_program_that_fails_runs_again_until_attempts_are_used_up(client, make_worker):
    client.put("/v1/queues/work", {"mode": "pull", "retry": {"max_attempts": 3, "min_backoff": "10ms", "max_backoff": "10ms"}})
    client.add("work", body="x")
    worker = make_worker("/bin/false")
    wait_until(lambda: client.stats("work")["tasks"] == 0, "the task to be dropped", 30)
    assert [event["code"] for event in worker.ended(3)] == [1, 1, 1]


def result(client, task: dict, wait: str = "30s") -> dict:
    return client.get(f"/v1/queues/work/tasks/{task['id']}/result?wait={wait}&history=true")


def test_what_a_program_prints_is_its_tasks_result(client, make_worker):
    text = client.add("work", body="echo a letter", keep_result="1h")
    data = client.add("work", body="echo '[1, 2]'; echo noted >&2", keep_result="1h")
    make_worker("/bin/sh", "-s", flags=("--name", "here"))
    answer = result(client, text)
    assert (answer["state"], answer["result"]["body"]) == ("succeeded", "a letter\n")
    assert answer["result"]["headers"]["Content-Type"].startswith("text/plain")
    answer = result(client, data)
    assert answer["result"]["headers"]["Content-Type"] == "application/json"
    assert answer["worker"] == "here"
    assert (answer["usage"]["cause"], answer["usage"]["code"]) == ("exited", 0)
    assert answer["history"][-1]["log"] == "noted\n"


def test_a_warm_handlers_output_is_its_tasks_result(client, make_worker):
    task = client.add("work", body="hello", keep_result="1h")
    make_worker(SAMPLE, flags=("--warm",))
    assert result(client, task)["result"]["body"] == "hello"


def test_why_attempts_failed_is_in_the_tasks_history(client, make_worker):
    client.put("/v1/queues/work", {"mode": "pull", "retry": {"max_attempts": 2, "min_backoff": "10ms", "max_backoff": "10ms"}})
    task = client.add("work", body="echo trouble >&2; exit 3", keep_result="1h")
    make_worker("/bin/sh", "-s")
    answer = result(client, task)
    assert (answer["state"], answer["reason"], answer["error"]) == ("failed", "attempts", "exit code 3")
    assert [(one["error"], one["log"], one["usage"]["code"]) for one in answer["history"]] == [("exit code 3", "trouble\n", 3)] * 2


def test_never_again_is_failed(client, make_worker):
    task = client.add("work", body="exit 65", keep_result="1h")
    make_worker("/bin/sh", "-s")
    answer = result(client, task)
    assert (answer["state"], answer["reason"], answer["attempts"]) == ("failed", "failed", 1)


def test_a_cancelled_task_takes_its_program_with_it(client, make_worker):
    task = client.add("work", body="sleep 3600", keep_result="1h")
    worker = make_worker("/bin/sh", "-s")
    wait_until(lambda: worker.events("task.started"), "the program to run")
    client.post(f"/v1/queues/work/tasks/{task['id']}:cancel", {})
    assert [event["cause"] for event in worker.ended(1)] == ["killed"]
    assert result(client, task)["state"] == "cancelled"


def test_never_again_is_an_exit_code(client, make_worker):
    client.add("work", body="x")
    worker = make_worker("/bin/sh", "-c", "exit 65")
    worker.ended(1)
    wait_until(lambda: client.stats("work")["tasks"] == 0, "the task to be gone")
    assert len(worker.events("task.ended")) == 1


def test_a_hostile_task_is_contained_and_its_neighbours_are_done(client, make_worker, tmp_path):
    client.put("/v1/queues/work", {"mode": "pull", "retry": {"max_attempts": 1}})
    for body in ["hog", "spin", "good", "flood", "good"]:
        client.add("work", body=body)
    worker = make_worker(
        script(tmp_path, "read -r what || true\ncase $what in hog) /usr/bin/python3 -c 'x = bytearray(range(256)) * (1 << 22)';; spin) while :; do :; done;;\n"
                         "  flood) cat /dev/zero;; esac\n"),
        flags=("--concurrency", "5", "--cpu-time", "1s", "--memory", "64M"))
    causes = sorted(event["cause"] for event in worker.ended(5))
    assert causes == ["cpu_time", "exited", "exited", "out_of_memory", "output"]
    wait_until(lambda: client.stats("work")["tasks"] == 0, "all tasks to have ended")


HOG = "/usr/bin/python3 -c 'x = bytearray(range(256)) * (1 << 22)'"


@pytest.mark.parametrize("program, payload", [(("/bin/sh", "-s"), "{}"), ((), "shell {}")], ids=["program", "warm"])
@pytest.mark.parametrize("script, cause, error", [
    ("kill -SEGV $$", "signalled", "killed by signal 11"),
    (HOG, "out_of_memory", "out of memory (limit 64MiB)"),
], ids=["signal", "memory"])
def test_a_task_that_kills_its_program_again_and_again_is_set_aside(client, defer, make_worker, program, payload, script, cause, error):
    client.put("/v1/queues/work", {"mode": "pull", "poison_after": 3, "retry": {"max_attempts": 100, "min_backoff": "10ms", "max_backoff": "10ms"}})
    poison = client.add("work", body=payload.format(script), name="poison", keep_result="1h")
    good = [client.add("work", body=payload.format(f"echo {number}"), keep_result="1h") for number in range(5)]
    worker = make_worker(*(program or (SAMPLE,)), flags=("--memory", "64M", "--name", "here") + (() if program else ("--warm",)))
    assert [result(client, task)["result"]["body"] for task in good] == [f"{number}\n" for number in range(5)]
    answer = result(client, poison)
    assert (answer["state"], answer["reason"], answer["error"], answer["attempts"]) == ("failed", "poison", error, 3)
    (listed,) = map(json.loads, defer("dead", "ls", "work", "--reason", "poison").splitlines())
    assert (listed["id"], listed["reason"]) == (poison["id"], "poison")
    shown = json.loads(defer("dead", "show", "work", "poison"))
    assert shown["error"] == error
    assert [(one["error"], one["usage"]["cause"], one["worker"]) for one in shown["history"]] == [(error, cause, "here")] * 3
    assert error in defer("dead", "show", "work", "poison", "--table")
    assert client.stats("work")["poisoned_total"] == 1
    assert sum(event["task"] == poison["id"] for event in worker.events("task.started")) == 3, "it ran no more"


def test_a_task_that_takes_its_worker_down_is_set_aside(client, defer, make_worker):
    client.put("/v1/queues/work", {"mode": "pull", "poison_after": 2, "retry": {"min_backoff": "10ms", "max_backoff": "10ms"}})
    client.add("work", body="x", name="poison")
    for times in (1, 2):
        worker = make_worker("/bin/sleep", "3600", flags=("--lease", "500ms", "--name", "here"))
        wait_until(lambda: len(worker.events("task.started")) == times, "the task to run", 30)
        worker.process.kill()
        worker.process.wait()
    wait_until(lambda: client.stats("work")["dead"] == 1, "the task to be set aside", 30)
    shown = json.loads(defer("dead", "show", "work", "poison"))
    assert shown["reason"] == "poison"
    assert [(one["failure"], one["worker"]) for one in shown["history"]] == [("lease_expired", "here")] * 2


def test_why_dead_letters_are_dead_is_seen_by_defer(client, defer, make_worker):
    client.put("/v1/queues/work", {"mode": "pull", "retry": {"max_attempts": 2, "min_backoff": "10ms", "max_backoff": "10ms"}})
    client.add("work", body="echo in vain >&2; exit 3", name="in-vain")
    client.add("work", body="echo never >&2; exit 65", name="never")
    client.add("work", body="cat /dev/zero", name="flood")
    make_worker("/bin/sh", "-s", flags=("--output", "64K"))
    wait_until(lambda: client.stats("work")["dead"] == 3, "the tasks to be dead", 30)

    def dead(reason: str) -> dict[str, str]:
        names = [json.loads(line)["name"] for line in defer("dead", "ls", "work", "--reason", reason).splitlines()]
        return {name: json.loads(defer("dead", "show", "work", name))["error"] for name in names}

    assert dead("attempts") == {"in-vain": "exit code 3", "flood": "too much output (limit 64KiB)"}
    assert dead("failed") == {"never": "exit code 65"}
    assert "log of attempt 2:\n  in vain\n" in defer("dead", "show", "work", "in-vain", "--table")


NOBODY = 65534


@pytest.mark.skipif(os.geteuid() != 0, reason="then every test here is of a worker that is not root")
@pytest.mark.parametrize("program, payload", [(("/bin/sh", "-s"), "{}"), ((), "shell {}")], ids=["program", "warm"])
def test_a_worker_that_is_not_root_makes_sandboxes_too(client, make_worker, program, payload):
    task = client.add("work", body=payload.format("id -u; kill -9 1; cat /proc/1/environ; touch /etc/x; echo alive"), keep_result="1h")
    accepted = tuple(word for limit in ("memory", "processes", "cpu_time") for word in ("--unenforced", limit))
    worker = make_worker(*(program or (SAMPLE,)), flags=accepted + (() if program else ("--warm",)), user=NOBODY, group=NOBODY, extra_groups=[])
    answer = result(client, task)
    assert answer["state"] == "succeeded", worker.log_path.read_text()
    assert answer["result"]["body"] == "1000\nalive\n"


def test_a_lease_is_renewed_while_the_program_runs(client, make_worker):
    client.add("work", body="x")
    worker = make_worker("/bin/sleep", "2", flags=("--lease", "600ms"))
    wait_until(lambda: client.stats("work")["tasks"] == 0, "the task to be done", 30)
    assert [event["code"] for event in worker.ended(1)] == [0], "the lease never ended, so it ran once"


def test_a_task_that_is_deleted_takes_its_program_with_it(client, make_worker):
    task = client.add("work", body="x")
    worker = make_worker("/bin/sleep", "3600", flags=("--lease", "600ms"))
    wait_until(lambda: worker.events("task.started"), "the program to run")
    client.delete(f"/v1/queues/work/tasks/{task['id']}")
    assert [event["cause"] for event in worker.ended(1)] == ["killed"]


def test_sigterm_lets_what_runs_end_and_leases_no_more(client, make_worker):
    client.add("work", body="x")
    worker = make_worker("/bin/sleep", "1")
    wait_until(lambda: worker.events("task.started"), "the program to run")
    worker.process.send_signal(signal.SIGTERM)
    wait_until(lambda: worker.events("worker.draining"), "the drain to begin")
    client.add("work", body="later")
    assert worker.process.wait(timeout=30) == 0
    assert [event["code"] for event in worker.events("task.ended")] == [0]
    assert client.stats("work")["tasks"] == 1


def test_what_does_not_end_in_time_is_given_back(client, make_worker):
    client.add("work", body="x")
    worker = make_worker("/bin/sleep", "3600", flags=("--drain", "100ms"))
    wait_until(lambda: worker.events("task.started"), "the program to run")
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(timeout=30) == 0
    assert client.stats("work")["leased"] == 0
    assert client.stats("work")["tasks"] == 1


def test_kill_9_of_a_worker_leaves_no_process_and_the_task_to_the_next_one(client, make_worker):
    def sleepers() -> list[str]:
        found = []
        for process in Path("/proc").iterdir():
            try:
                if process.name.isdigit() and b"86399" in (process / "cmdline").read_bytes():
                    found.append(process.name)
            except OSError:
                pass
        return found

    client.add("work", body="x")
    worker = make_worker("/bin/sh", "-c", "sleep 86399 & wait", flags=("--lease", "1s"))
    wait_until(lambda: len(sleepers()) > 1, "the program and the worker, whose command line has it too")
    worker.process.kill()
    worker.process.wait()
    wait_until(lambda: not sleepers(), "its programs to be gone")
    second = make_worker("/bin/true", flags=("--lease", "1s"))
    wait_until(lambda: client.stats("work")["tasks"] == 0, "the task to be done by another", 30)
    assert second.process.poll() is None


SAMPLE = str(WORKER.parent / "warm_sample")  # does what its payload says


def status(process: int) -> dict[str, str]:
    return dict(line.split(":\t", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())


def children(parent: int, name: str) -> list[int]:
    found = []
    for process in (int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()):
        try:
            facts = status(process)
        except OSError:
            continue
        if (facts["Name"], facts["PPid"]) == (name, str(parent)):
            found.append(process)
    return found


def test_a_warm_handler_is_loaded_once_and_does_every_task(client, make_worker):
    for number in range(50):
        client.add("work", body=f"shell echo {number} >&2")
    worker = make_worker(SAMPLE, flags=("--warm", "--concurrency", "4"))
    events = worker.ended(50)
    assert sorted(int(event["log"]) for event in events) == list(range(50))
    wait_until(lambda: client.stats("work")["tasks"] == 0, "the tasks to be done")
    assert len(worker.events("handler.loaded")) == 1


def test_hostile_tasks_of_a_warm_handler_are_contained_and_its_neighbours_are_done(client, make_worker):
    client.put("/v1/queues/work", {"mode": "pull", "retry": {"max_attempts": 1}})
    for body in ["python x = bytearray(range(256)) * (1 << 22)", "good", "shell while :; do :; done", "shell cat /dev/zero", "shell kill -9 $$", "good"]:
        client.add("work", body=body)
    worker = make_worker(SAMPLE, flags=("--warm", "--concurrency", "6", "--cpu-time", "1s", "--memory", "64M"))
    causes = sorted(event["cause"] for event in worker.ended(6))
    assert causes == ["cpu_time", "exited", "exited", "out_of_memory", "output", "signalled"]
    wait_until(lambda: client.stats("work")["tasks"] == 0, "all tasks to have ended")
    assert len(worker.events("handler.loaded")) == 1, "it was never disturbed"


def test_a_warm_handler_that_is_killed_is_started_again(client, make_worker):
    worker = make_worker(SAMPLE, flags=("--warm",))
    wait_until(lambda: worker.events("handler.loaded"), "the handler to load")
    (keeper,) = children(worker.process.pid, "deferd-keeper")
    handler = min(children(keeper, "warm_sample"), key=lambda process: len(status(process)["NSpid"].split()))  # the others wait in sandboxes
    os.kill(handler, signal.SIGKILL)
    client.add("work", body="good")
    assert [event["cause"] for event in worker.ended(1)] == ["exited"]
    assert len(worker.events("handler.loaded")) == 2


def test_kill_9_of_a_worker_takes_its_warm_handler_and_its_tasks_along(client, make_worker):
    def left() -> list[str]:
        found = []
        for process in Path("/proc").iterdir():
            try:
                if process.name.isdigit() and b"86397" in (process / "cmdline").read_bytes():
                    found.append(process.name)
            except OSError:
                pass
        return found

    client.add("work", body="shell sleep 86397 & wait")
    worker = make_worker(SAMPLE, flags=("--warm", "--lease", "1s"))
    wait_until(lambda: len(left()) >= 2, "the task to run")
    worker.process.kill()
    worker.process.wait()
    wait_until(lambda: not left(), "its processes to be gone")


def test_sigterm_ends_a_worker_and_its_warm_handler(client, make_worker):
    client.add("work", body="good")
    worker = make_worker(SAMPLE, flags=("--warm",))
    worker.ended(1)
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(timeout=30) == 0
    assert client.stats("work")["tasks"] == 0


def test_a_program_that_is_no_warm_handler_is_told_and_takes_no_tasks(client, make_worker):
    client.add("work", body="x")
    worker = make_worker("/bin/true", flags=("--warm",))
    wait_until(lambda: worker.events("handler.ended"), "the worker to say so")
    assert "deferd_warm_next" in worker.events("handler.ended")[0]["error"]
    assert client.stats("work")["leased"] == 0


def test_a_server_that_is_away_is_waited_for(server, client, make_worker):
    server.kill()
    worker = make_worker("/bin/true")
    wait_until(lambda: worker.events("lease.failed"), "the worker to miss its server")
    server.start()
    client.add("work", body="x")
    wait_until(lambda: client.stats("work")["tasks"] == 0, "the task to be done", 30)


@pytest.mark.parametrize("flags, says", [
    (("--memory", "lots"), "is not a size"),
    (("--lease", "0s"), "is not above 0"),
    (("--env", "NO_SUCH_VARIABLE"), "the environment has no NO_SUCH_VARIABLE"),
    (("--server", "ftp://x"), "--server"),
    (("--warm", "--input", "arguments"), "--input"),
])
def test_a_wrong_command_line_says_what_is_wrong(make_worker, flags, says):
    worker = make_worker("/bin/true", flags=flags)
    assert worker.process.wait(timeout=30) == 2
    assert says in worker.log_path.read_text()


def test_a_program_that_is_not_there_is_told_at_the_start(make_worker):
    worker = make_worker("no-such-program")
    assert worker.process.wait(timeout=30) == 2
    assert "no-such-program is no program in PATH" in worker.log_path.read_text()


def test_the_guides_commands_run_as_shown(server, tmp_path):
    blocks = re.findall(r"```\n(.*?)```", (ROOT / "docs/guides/workers.md").read_text(), re.DOTALL)
    lines = "\n".join(blocks[:2]).replace("build/bin/defer ", f"{DEFER} ")
    words = lines[lines.index("build/bin/deferd-worker"):].splitlines()[0].split()
    shell = [line for line in lines.splitlines() if not line.startswith(("./dev run", "build/bin/deferd-worker"))]
    subprocess.run(["sh", "-e", "-c", "\n".join(shell)], check=True, cwd=tmp_path, timeout=60, stdout=subprocess.DEVNULL,
                   env=clean_environment(DEFERD_URL=f"http://127.0.0.1:{server.port}"))
    log = tmp_path / "guide.log"
    with open(log, "wb") as out:
        worker = subprocess.Popen([str(WORKER), *words[1:]], cwd=tmp_path, stdout=out, stderr=out,
                                  env=clean_environment(DEFERD_SERVER=f"http://127.0.0.1:{server.port}"))
    try:
        wait_until(lambda: "a letter to someone@example.com, attempt 1" in log.read_text(), "the letter", 30)
    finally:
        worker.kill()
        worker.wait()
