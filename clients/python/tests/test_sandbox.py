"""Functions in the sandboxes of deferd-worker --python."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import jobs
import pytest
from conftest import DEFERD, SIGNING_KEY

import deferd
from deferd import Client, Executor, Pickle, RemoteTraceback, TaskCrashed, TaskFailed

WORKER = Path(os.environ.get("DEFERD_WORKER_BINARY", Path(DEFERD).parent / "deferd-worker"))


@pytest.fixture(scope="module")
def sandboxed(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executor]:
    with Client(url) as client:
        client.put_queue("sandboxed", mode="pull", retry={"min_backoff": "10ms"})
    here = Path(__file__).parent
    log = tmp_path_factory.mktemp("sandbox") / "log"
    with open(log, "wb") as out:
        worker = subprocess.Popen(
            [str(WORKER), "--server", url, "--queue", "sandboxed", "--concurrency", "4", "--memory", "128M", "--cpu-time", "5s",
             "--env", "DEFERD_SIGNING_KEY", "--python", "jobs"],
            stdout=out, stderr=out, stdin=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": f"{here}{os.pathsep}{here.parent / 'src'}", "DEFERD_SIGNING_KEY": SIGNING_KEY,
                              "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"})
    try:
        with Executor(url=url, queue="sandboxed") as executor:
            yield executor
    finally:
        alive = worker.poll() is None
        worker.kill()
        worker.wait()
    assert alive, log.read_text()


def test_results_and_exceptions_come_back(sandboxed: Executor) -> None:
    assert list(sandboxed.map(jobs.add, range(20))) == list(range(1, 21))
    with pytest.raises(ValueError, match="no good") as raised:
        sandboxed.submit(jobs.fail, "value").result(60)
    assert isinstance(raised.value.__cause__, RemoteTraceback) and "jobs.py" in str(raised.value.__cause__)
    with pytest.raises(TaskFailed) as failed:
        sandboxed.submit(jobs.fail, "stock").result(60)
    assert failed.value.type == "jobs.OutOfStock"


def test_what_a_function_prints_is_its_log_and_not_its_result(sandboxed: Executor, client: Client) -> None:
    future = sandboxed.submit(jobs.say, "hello")
    assert future.result(60) == "said"
    (attempt,) = client.get_result("sandboxed", future.task_name, history=True).history
    assert attempt.log == "hello\n"


def test_a_result_is_told_to_be_json(sandboxed: Executor, client: Client) -> None:
    deep: list[Any] = []
    for _ in range(40):
        deep = [deep]
    for value in (7, deep, [deep, "x" * 100], "\ud800", {"a": "\n"}):
        future = sandboxed.submit(jobs.echo, value)
        assert future.result(60) == value
        assert client.get_result("sandboxed", future.task_name).headers == {"Content-Type": "application/json"}


def test_what_is_no_call_fails_for_good(sandboxed: Executor, client: Client) -> None:
    for body in (b"", b"{}", b'{"task": "jobs:echo"}\0', b"\xff", b'{"task": "jobs:echo"} {}'):
        outcome = client.get_result("sandboxed", client.add_task("sandboxed", body=body, keep_result="1m"), wait="30s")
        assert (outcome.state, outcome.reason) == ("failed", "failed")
        assert outcome.json()["error"]["message"].startswith("the payload "), body


def test_a_function_that_closes_its_output_is_done(sandboxed: Executor) -> None:
    assert sandboxed.submit(jobs.close_output).result(60) == "done"


def test_what_kills_a_process_is_told_and_its_neighbours_are_done(sandboxed: Executor) -> None:
    neighbour = sandboxed.submit(jobs.sleep, 1, "fine")
    crashes = [sandboxed.submit(jobs.die), sandboxed.submit(jobs.hog), sandboxed.submit(jobs.spin)]
    causes = []
    for crash in crashes:
        error = crash.exception(60)
        assert isinstance(error, TaskCrashed)
        causes.append(error.cause)
    assert causes == ["signalled", "out_of_memory", "cpu_time"]
    assert neighbour.result(60) == "fine"


def test_a_function_says_when_it_is_tried_again(sandboxed: Executor, client: Client) -> None:
    future = sandboxed.submit(deferd.task(retry={"max_attempts": 2})(jobs.retry_in), "1h")
    future.added(10)
    deadline = time.monotonic() + 60
    while not (task := client.get_task("sandboxed", future.task_name)).history:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert task.state == "scheduled"
    assert abs(task.eta - datetime.now(timezone.utc) - timedelta(hours=1)) < timedelta(minutes=1)
    assert future.cancel()


def test_nothing_of_the_machine_is_seen_or_written(sandboxed: Executor, tmp_path: Path) -> None:
    with pytest.raises(OSError):
        sandboxed.submit(jobs.mark, str(tmp_path / "trace")).result(60)
    assert sandboxed.submit(jobs.mark, "/tmp/trace").result(60) is None
    assert "trace" not in sandboxed.submit(jobs.folder, "/tmp").result(60), "each task has its own"


def test_pickles_go_through(url: str, sandboxed: Executor) -> None:
    with Executor(url=url, queue="sandboxed", codec=Pickle(SIGNING_KEY)) as executor:
        assert executor.submit(jobs.echo, jobs.Box({1: 2})).result(60) == jobs.Box({1: 2})


def test_a_running_call_is_cancelled(sandboxed: Executor) -> None:
    future = sandboxed.submit(jobs.sleep, 3600)
    future.added(10)
    while not future.running():
        pass
    assert future.cancel() and future.cancelled()
    places = [sandboxed.submit(jobs.sleep, 0.2, n) for n in range(8)]
    assert [place.result(60) for place in places] == list(range(8))
