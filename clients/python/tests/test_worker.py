"""The worker without a sandbox, and programs that end while they wait."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jobs
import pytest
from conftest import Worker

from deferd import Client, Executor, NewTask, TaskFailed

Make = Callable[..., Worker]


def wait_until(condition: Callable[[], Any], what: str, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def program(folder: Path, text: str, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = folder / "program.py"
    path.write_text(textwrap.dedent(text))
    here = Path(__file__).parent
    return subprocess.run([sys.executable, str(path), *arguments], capture_output=True, text=True, timeout=60,
                          env={"PYTHONPATH": f"{here}:{here.parent / 'src'}", "DEFERD_URL": url, "PATH": "/usr/bin:/bin"})


def test_it_says_that_it_has_no_sandbox_and_drains_on_sigterm(url: str, queue: str, make_worker: Make, tmp_path: Path) -> None:
    worker = make_worker(queue)
    with Executor(url=url, queue=queue) as executor:
        gate, started = tmp_path / "gate", tmp_path / "started"
        running = executor.submit(jobs.wait_for_file, str(gate), str(started))
        wait_until(started.exists, "the call to run")
        worker.send_signal(signal.SIGTERM)
        wait_until(lambda: "draining" in worker.log.read_text(), "the drain to begin")
        later = executor.submit(jobs.add, 1)
        later.added(10)
        gate.touch()
        assert running.result(30) == "seen"
        assert worker.process.wait(30) == 0
        assert later.cancel(), "nothing more was leased"
    assert "WITHOUT A SANDBOX" in worker.log.read_text()


def test_what_does_not_end_in_time_is_given_back(url: str, client: Client, queue: str, make_worker: Make, tmp_path: Path) -> None:
    worker = make_worker(queue, "--drain", "0.1s")
    client.add_task(queue, json={"task": "jobs:wait_for_file", "args": [str(tmp_path / "gate"), str(tmp_path / "started")]})
    wait_until((tmp_path / "started").exists, "the call to run")
    worker.send_signal(signal.SIGTERM)
    assert worker.process.wait(30) == 0
    assert (client.stats(queue).leased, client.stats(queue).tasks) == (0, 1)


def test_what_runs_ends_with_a_worker_that_is_killed(client: Client, queue: str, make_worker: Make, tmp_path: Path) -> None:
    worker, path = make_worker(queue), tmp_path / "pid"
    client.add_task(queue, json={"task": "jobs:tell_pid", "args": [str(path)]})
    wait_until(lambda: path.exists() and path.read_text(), "the call to run")
    stat = Path("/proc") / path.read_text() / "stat"
    assert stat.exists()
    worker.send_signal(signal.SIGKILL)
    wait_until(lambda: not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z", "its process to end")


def test_a_lease_is_renewed_whatever_the_function_does(url: str, queue: str, make_worker: Make, tmp_path: Path) -> None:
    make_worker(queue, "--lease", "0.6s")
    with Executor(url=url, queue=queue, retry={"max_attempts": 5}) as executor:
        executor.submit(jobs.mark_and_stop, str(tmp_path / "trace"), 2.0).result(30)
    assert (tmp_path / "trace").read_text() == "x", "the lease never ended, so it ran once"


def test_modules_that_cannot_be_loaded_are_told_at_the_start(queue: str, make_worker: Make) -> None:
    worker = make_worker(queue, module="no_such_module")
    assert worker.process.wait(30) == 1
    assert "No module named 'no_such_module'" in worker.log.read_text()


def test_without_deferd_worker_it_says_how_it_is_started() -> None:
    ended = subprocess.run([sys.executable, "-m", "deferd.worker", "jobs"], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2 and "deferd-worker --queue QUEUE --python MODULE" in ended.stderr


PROGRAM = """
    import sys
    from deferd import Executor

    class Stuck(Exception):
        pass

    def triple(n):
        if n < 0:
            raise Stuck(n)
        return 3 * n

    if __name__ == "__main__":
        with Executor(queue=sys.argv[1], raises=[Stuck]) as executor:
            print(list(executor.map(triple, range(4))))
            print(repr(executor.submit(triple, -1).exception(30)))
    """


def test_functions_of_a_program_run_when_the_worker_has_its_file(url: str, queue: str, make_worker: Make, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(textwrap.dedent(PROGRAM))
    make_worker(queue, module=str(tmp_path / "program.py"))
    ended = program(tmp_path, PROGRAM, url, queue)
    assert ended.stdout == "[0, 3, 6, 9]\nStuck(-1)\n", ended.stderr


def test_a_program_that_submits_when_it_is_loaded_is_told_so(queue: str, make_worker: Make, tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text("import deferd\ndef f(): pass\ndeferd.Executor().submit(f)\n")
    worker = make_worker(queue, module=str(path))
    assert worker.process.wait(30) == 1
    assert 'if __name__ == "__main__":' in worker.log.read_text()


def test_what_was_submitted_is_stored_when_the_program_ends(url: str, client: Client, queue: str,
                                                             tmp_path: Path) -> None:
    ended = program(tmp_path, """
        import sys, jobs
        from deferd import Executor
        executor = Executor(queue=sys.argv[1])
        for n in range(500):
            executor.submit(jobs.add, n)
        """, url, queue)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert client.stats(queue).tasks == 500


def test_what_could_not_be_stored_when_the_program_ends_is_told(closed_url: str, tmp_path: Path) -> None:
    ended = program(tmp_path, """
        import jobs
        from deferd import Executor
        executor = Executor(add_timeout=0.3)
        executor.submit(jobs.add, 1)
        """, closed_url)
    assert "1 submitted calls could not be added" in ended.stderr


def test_a_task_whose_own_submits_are_lost_is_not_done(url: str, closed_url: str, worker: str) -> None:
    with Executor(url=url, queue=worker) as executor:
        submitted = executor.submit(jobs.submit_more, closed_url, "nowhere", 2, add_timeout=0.1)
        with pytest.raises(RuntimeError, match="2 calls that the function submitted could not be added"):
            submitted.result(timeout=60)


def test_what_a_task_submits_is_stored_before_the_task_is_done(url: str, client: Client, queue: str, worker: str) -> None:
    with Executor(url=url, queue=worker) as executor:
        executor.submit(jobs.submit_more, url, queue, 50).result(30)
    assert client.stats(queue).tasks == 50


def test_an_executor_does_not_go_through_a_fork(url: str, worker: str) -> None:
    with Executor(url=url, queue=worker) as executor:
        with pytest.raises(RuntimeError, match="made before a fork"):
            executor._pid -= 1
            executor.submit(jobs.add, 1)


def test_a_task_without_a_result_to_keep_is_just_done(client: Client, worker: str, tmp_path: Path) -> None:
    client.add_tasks(worker, [NewTask(json={"task": "jobs:mark", "args": [str(tmp_path / "trace")]}) for _ in range(5)])
    wait_until(lambda: (tmp_path / "trace").exists() and (tmp_path / "trace").read_text() == "xxxxx", "all to have run")
    wait_until(lambda: client.stats(worker).tasks == 0, "all to be gone")


def test_when_the_queues_attempts_are_used_up_the_last_error_comes_back(url: str, client: Client, queue: str, make_worker: Make) -> None:
    client.put_queue(queue, retry={"max_attempts": 2, "min_backoff": "10ms"})
    make_worker(queue)
    with Executor(url=url, queue=queue, retry={"max_backoff": "1s"}) as executor:
        error = executor.submit(jobs.fail, "stock").exception(30)
    assert isinstance(error, TaskFailed)
    assert (error.type, error.message, error.reason) == ("jobs.OutOfStock", "empty", "attempts")
    assert error.traceback.startswith("Traceback")
