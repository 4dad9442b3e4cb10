"""Executor against a real server and a real worker: what concurrent.futures promises, and what a distributed one adds."""

from __future__ import annotations

import concurrent.futures
import functools
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jobs
import pytest
from conftest import WORKER_PLACES, Server, Worker

import deferd
from deferd import Client, Executor, TaskCrashed, TaskFailed
from deferd._calls import Call
from deferd._wire import Wire

Make = Callable[..., Executor]


@pytest.fixture
def idle(url: str, queue: str) -> Iterator[Make]:
    """Makes executors for a queue that has no worker."""
    made: list[Executor] = []

    def make(**options: Any) -> Executor:
        made.append(Executor(url=url, queue=queue, **options))
        return made[-1]

    yield make
    for executor in made:
        executor.shutdown(wait=True, cancel_futures=True)


@pytest.fixture
def executor(url: str, worker: str) -> Iterator[Executor]:
    with Executor(url=url, queue=worker) as executor:
        yield executor


def wait_until(condition: Callable[[], Any], what: str, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


# ---- Results and exceptions


def test_a_call_runs_and_its_result_comes_back(executor: Executor) -> None:
    future = executor.submit(jobs.add, 2, b=3)
    assert future.result(30) == 5
    assert (future.done(), future.running(), future.cancelled(), future.cancel()) == (True, False, False, False)
    assert executor.submit(jobs.echo, {"a": [1, None, "ä", 2.5]}).result(30) == {"a": [1, None, "ä", 2.5]}


def test_a_coroutine_function_is_run_to_its_end(executor: Executor) -> None:
    assert executor.submit(jobs.later, 7).result(30) == 7  # type: ignore[comparison-overlap]


def test_a_builtin_exception_is_raised_as_itself_with_the_traceback_of_where_it_was(executor: Executor) -> None:
    with pytest.raises(ValueError) as raised:
        executor.submit(jobs.fail, "value").result(30)
    assert raised.value.args == ("no good", 7)
    assert isinstance(raised.value.__cause__, deferd.RemoteTraceback)
    assert 'raise ValueError("no good", 7)' in str(raised.value.__cause__)
    assert "deferd/_run.py" not in str(raised.value.__cause__), "it begins with the task's own code"
    with pytest.raises(FileNotFoundError):
        executor.submit(jobs.fail, "file").result(30)
    with pytest.raises(KeyError, match="missing"):
        executor.submit(jobs.fail, "key").result(30)


def test_any_other_exception_is_a_task_failed_that_tells_of_it(executor: Executor) -> None:
    for kind, type_, message in (("stock", "jobs.OutOfStock", "empty"), ("picky", "jobs.Picky", "ab"), ("exit", "SystemExit", "3")):
        error = executor.submit(jobs.fail, kind).exception(30)
        assert isinstance(error, TaskFailed)
        assert (error.type, error.message, error.reason) == (type_, message, "failed")
        assert "Traceback (most recent call last)" in error.traceback


def test_an_exception_class_that_the_executor_is_told_of_is_raised_as_itself(url: str, worker: str) -> None:
    with Executor(url=url, queue=worker, raises=[jobs.OutOfStock, jobs.Picky]) as executor:
        with pytest.raises(jobs.OutOfStock, match="empty"):
            executor.submit(jobs.fail, "stock").result(30)
        with pytest.raises(TaskFailed, match="jobs.Picky: ab"):  # its constructor takes something else than its args
            executor.submit(jobs.fail, "picky").result(30)


def test_a_task_whose_process_is_killed_has_crashed_and_its_neighbours_are_done(executor: Executor) -> None:
    neighbour = executor.submit(jobs.sleep, 0.5, "fine")
    crashed = executor.submit(jobs.die)
    with pytest.raises(TaskCrashed, match="signal 9") as raised:
        crashed.result(30)
    assert raised.value.cause == "signalled"
    assert neighbour.result(30) == "fine"
    assert executor.submit(jobs.add, 1).result(30) == 2


def test_a_call_is_tried_once_unless_more_is_asked_for(url: str, worker: str, tmp_path: Path) -> None:
    once, thrice, never = (str(tmp_path / name) for name in ("once", "thrice", "never"))
    with Executor(url=url, queue=worker) as executor:
        with pytest.raises(TaskFailed, match="not yet"):
            executor.submit(jobs.twice_then_right, once).result(30)
    with Executor(url=url, queue=worker, retry={"max_attempts": 5}) as executor:
        assert executor.submit(jobs.twice_then_right, thrice).result(30) == "right"
        with pytest.raises(TaskFailed, match="broken for good"):
            executor.submit(jobs.never_again, never).result(30)
    assert [len(Path(path).read_text()) for path in (once, thrice, never)] == [1, 3, 1]


def test_a_function_that_takes_too_long_is_interrupted(url: str, worker: str, executor: Executor) -> None:
    with pytest.raises(TimeoutError, match="timeout of 0.2s"):
        executor.submit(jobs.endless).result(30)


def test_results_that_are_not_carried_fail_in_their_future(executor: Executor) -> None:
    with pytest.raises(ValueError, match="at most 1048576 are kept"):
        executor.submit(jobs.multiply, "x" * 600_000, 2).result(30)
    with pytest.raises(TypeError, match="not JSON serializable"):
        executor.submit(jobs.box, 1).result(30)
    assert len(executor.submit(jobs.multiply, "x" * 500_000, 2).result(30)) == 1_000_000


# ---- What can be submitted


def test_what_no_worker_could_find_is_refused_with_what_to_do(idle: Make) -> None:
    def inner() -> None:
        pass

    executor = idle()
    for function, says in ((lambda: 1, "a lambda"), (inner, "a function within a function"),
                           (functools.partial(jobs.add, 1), "all of its arguments"),
                           ([].append, "has no name"), (jobs.Box(1).__eq__, "a method of an object")):
        with pytest.raises(TypeError, match=says):
            executor.submit(function)  # type: ignore[arg-type]


def test_arguments_that_are_no_json_are_refused(idle: Make) -> None:
    executor = idle()
    with pytest.raises(TypeError, match="pickle"):
        executor.submit(jobs.echo, jobs.Box(1))
    with pytest.raises(TypeError, match="the key 1 of a dict is no text"):
        executor.submit(jobs.echo, [{1: 2}])
    with pytest.raises(ValueError):
        executor.submit(jobs.echo, float("nan"))


def test_a_worker_runs_only_what_it_was_started_for(client: Client, executor: Executor, worker: str) -> None:
    import subprocess

    with pytest.raises(LookupError, match="start it for subprocess, too"):
        executor.submit(subprocess.getoutput, "id").result(30)
    for name, says in (("jobs:not_mine", "no function of jobs's own"), ("jobs:os.system", "no function of jobs's own"),
                       ("jobs:nothing", "there is no jobs:nothing"), ("nothing", "no task nothing")):
        task = client.add_task(worker, json={"task": name, "max_attempts": 1}, keep_result="1m")
        outcome = client.get_result(worker, task, wait="30s")
        assert outcome.state == "failed" and says in outcome.json()["error"]["message"]


def test_a_task_may_be_added_by_anyone_who_writes_json(client: Client, worker: str) -> None:
    task = client.add_task(worker, json={"task": "jobs:add", "args": [1], "kwargs": {"b": 4}}, keep_result="1m")
    outcome = client.get_result(worker, task, wait="30s")
    assert (outcome.state, outcome.json(), outcome.headers["Content-Type"]) == ("succeeded", 5, "application/json")
    wrong = client.add_task(worker, body="no JSON", keep_result="1m")
    assert "the payload is no JSON" in client.get_result(worker, wrong, wait="30s").json()["error"]["message"]


def test_a_marked_function_has_a_name_and_options(client: Client, url: str, executor: Executor, worker: str) -> None:
    assert jobs.greeting("ada") == "hello ada!"
    assert executor.submit(jobs.greeting, "ada", mark="?").result(30) == "hello ada?"
    new = jobs.shout.new_task("bob")
    assert (new.priority, new.body) == (7, '{"task":"greet","args":["bob"],"kwargs":{},"timeout":30.0}')
    with Executor(url=url, queue=worker) as mine:
        deferd.set_default_executor(mine)
        assert jobs.greeting.submit("eve").result(30) == "hello eve!"


# ---- map


def test_map_keeps_the_order(executor: Executor) -> None:
    assert list(executor.map(jobs.sleep, [0.2, 0.0, 0.1], "abc")) == ["a", "b", "c"]
    assert list(executor.map(jobs.add, [])) == []


def test_map_in_chunks_is_fewer_tasks(client: Client, idle: Make, executor: Executor, queue: str) -> None:
    assert list(executor.map(jobs.add, range(10), range(10), chunksize=4)) == [2 * n for n in range(10)]
    waiting = idle()
    waiting.map(jobs.add, range(10), chunksize=4)
    wait_until(lambda: client.stats(queue).tasks == 3, "three chunks")
    with pytest.raises(ValueError):
        waiting.map(jobs.add, [1], chunksize=0)


def test_map_raises_where_the_call_failed(executor: Executor) -> None:
    results = executor.map(jobs.fail, ["value", "key"])
    with pytest.raises(ValueError):
        next(results)


def test_map_times_out_and_cancels_what_is_left(client: Client, idle: Make, queue: str) -> None:
    results = idle().map(jobs.add, [1, 2], timeout=0.2)
    with pytest.raises(concurrent.futures.TimeoutError):
        next(results)
    assert client.stats(queue).tasks == 0


# ---- Futures with the standard library's functions


def test_as_completed_gives_the_first_first(executor: Executor) -> None:
    slow, fast = executor.submit(jobs.sleep, 1.0, "slow"), executor.submit(jobs.sleep, 0, "fast")
    assert [future.result() for future in concurrent.futures.as_completed([slow, fast], timeout=30)] == ["fast", "slow"]


def test_wait_returns_when_asked_to(executor: Executor, tmp_path: Path) -> None:
    gate, started = str(tmp_path / "gate"), str(tmp_path / "started")
    pending: concurrent.futures.Future[Any] = executor.submit(jobs.wait_for_file, gate, started)
    failing: concurrent.futures.Future[Any] = executor.submit(jobs.fail, "value")
    good: concurrent.futures.Future[Any] = executor.submit(jobs.add, 1)
    done, _ = concurrent.futures.wait([pending, good], 30, concurrent.futures.FIRST_COMPLETED)
    assert done == {good}
    done, _ = concurrent.futures.wait([pending, failing], 30, concurrent.futures.FIRST_EXCEPTION)
    assert done == {failing}
    done, not_done = concurrent.futures.wait([pending, good], 0.1)
    assert (done, not_done) == ({good}, {pending})
    with pytest.raises(concurrent.futures.TimeoutError):
        pending.result(0.05)
    Path(gate).touch()
    done, not_done = concurrent.futures.wait([pending, failing, good], 30)
    assert len(done) == 3 and not not_done


def test_callbacks_are_called_and_may_submit(executor: Executor) -> None:
    second: concurrent.futures.Future[concurrent.futures.Future[int]] = concurrent.futures.Future()
    executor.submit(jobs.add, 1).add_done_callback(lambda first: second.set_result(executor.submit(jobs.add, first.result())))
    assert second.result(30).result(30) == 3


def test_many_futures_from_many_threads(executor: Executor) -> None:
    results: list[int] = []

    def submit(start: int) -> None:
        futures = [executor.submit(jobs.add, start, n) for n in range(25)]
        results.extend(future.result(60) for future in futures)

    threads = [threading.Thread(target=submit, args=(100 * n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == sorted(100 * t + n for t in range(8) for n in range(25))


def test_an_early_slow_task_holds_no_later_one_up(executor: Executor, tmp_path: Path) -> None:
    """Outcomes come at once, however many polls wait for older tasks."""
    gate = tmp_path / "gate"
    slow = [executor.submit(jobs.wait_for_file, str(gate), str(tmp_path / "started"))]
    for n in range(8):
        began = time.monotonic()
        assert executor.submit(jobs.add, n).result(10) == n + 1
        assert time.monotonic() - began < 5
    gate.touch()
    assert slow[0].result(30) == "seen"


# ---- Cancelling


def test_a_waiting_call_is_cancelled_at_the_server(client: Client, idle: Make, queue: str) -> None:
    future = idle().submit(jobs.add, 1)
    future.added(10)
    assert not future.running()
    assert future.cancel() and future.cancelled() and future.cancel()
    assert client.stats(queue).tasks == 0
    with pytest.raises(concurrent.futures.CancelledError):
        future.result(0)
    assert concurrent.futures.wait([future], 0).done == {future}, "those who wait are told"


def test_a_running_call_is_cancelled_and_its_process_killed(client: Client, executor: Executor, worker: str, tmp_path: Path) -> None:
    gate, started, trace = tmp_path / "gate", tmp_path / "started", tmp_path / "trace"
    future = executor.submit(jobs.wait_for_file, str(gate), str(started))
    wait_until(lambda: started.exists() and future.running(), "the call to run")
    assert future.cancel() and future.cancelled()
    # The only place of the worker is free again although the gate stays closed.
    others = [executor.submit(jobs.mark, str(trace)) for _ in range(8)]
    concurrent.futures.wait(others, 30)
    assert len(trace.read_text()) == 8


def test_a_finished_call_is_not_cancelled(client: Client, idle: Make, queue: str) -> None:
    future = idle().submit(jobs.add, 1)
    future.added(10)
    (task,) = client.lease_tasks(queue, wait="10s")
    client.ack_tasks(queue, [task], [deferd.Report(result="2", content_type="application/json")])
    assert not future.cancel()
    assert future.result(30) == 2


def test_what_somebody_else_cancels_is_cancelled(client: Client, idle: Make, queue: str) -> None:
    future = idle().submit(jobs.add, 1)
    future.added(10)
    client.cancel_task(queue, future.task_name)
    with pytest.raises(concurrent.futures.CancelledError):
        future.result(30)


# ---- Shutting down


def test_nothing_is_submitted_after_shutdown(idle: Make) -> None:
    executor = idle()
    executor.shutdown()
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        executor.submit(jobs.add, 1)
    executor.shutdown()


def test_shutdown_waits_for_all(url: str, worker: str) -> None:
    with Executor(url=url, queue=worker) as executor:
        futures = [executor.submit(jobs.sleep, 0.2, n) for n in range(3)]
    assert all(future.done() for future in futures)


def test_shutdown_without_waiting_leaves_nothing_undone(url: str, worker: str) -> None:
    executor = Executor(url=url, queue=worker)
    futures = [executor.submit(jobs.sleep, 0.3, n) for n in range(3)]
    began = time.monotonic()
    executor.shutdown(wait=False)
    assert time.monotonic() - began < 0.3
    assert [future.result(30) for future in futures] == [0, 1, 2]
    executor.shutdown(wait=True)


def test_shutdown_cancels_what_does_not_run_yet(url: str, worker: str, tmp_path: Path) -> None:
    executor = Executor(url=url, queue=worker)
    gate = tmp_path / "gate"
    running = [executor.submit(jobs.wait_for_file, str(gate), str(tmp_path / f"started{n}")) for n in range(WORKER_PLACES)]
    wait_until(lambda: all(future.running() for future in running), "the worker to be full")
    waiting = [executor.submit(jobs.add, n) for n in range(5)]
    for future in waiting:
        future.added(10)
    threading.Timer(0.2, gate.touch).start()
    executor.shutdown(cancel_futures=True)
    assert all(future.cancelled() for future in waiting)
    assert [future.result() for future in running] == ["seen"] * WORKER_PLACES


# ---- A server that is away, and other trouble


def test_many_submits_are_few_calls(url: str) -> None:
    """They gather while a batch is under way."""
    calls: list[int] = []
    executor = Executor(url=url, queue="gathered")
    original = Wire.run

    async def counted(self: Wire, call: Call[Any]) -> Any:
        if call.path.endswith("/tasks:batch"):
            calls.append(len(call.json["tasks"]))
        return await original(self, call)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Wire, "run", counted)
        futures = [executor.submit(jobs.add, n) for n in range(500)]
        for future in futures:
            future.added(60)
    executor.shutdown(cancel_futures=True)
    assert sum(calls) >= 500 and len(calls) < 100



def test_a_server_that_is_away_is_in_the_future(closed_url: str) -> None:
    with Executor(url=closed_url, add_timeout=0.3) as executor:
        future = executor.submit(jobs.add, 1)
        with pytest.raises(deferd.Unreachable):
            future.added(30)
        with pytest.raises(deferd.Unreachable):
            future.result(30)


def test_a_refused_add_is_in_the_future(url: str, idle: Make) -> None:
    with pytest.raises(deferd.InvalidArgument, match="keep_result"):
        idle(keep_result="400d").submit(jobs.add, 1).result(30)


def test_submit_blocks_while_too_much_waits_to_be_added(closed_url: str) -> None:
    executor = Executor(url=closed_url, waiting_max=2, add_timeout=0.5)
    began = time.monotonic()
    futures = [executor.submit(jobs.add, n) for n in range(3)]
    assert time.monotonic() - began > 0.2
    executor.shutdown()
    assert all(isinstance(future.exception(), deferd.Unreachable) for future in futures)


def test_a_server_that_is_killed_and_comes_back_loses_nothing(tmp_path: Path) -> None:
    server = Server(tmp_path / "log", "--data", str(tmp_path / "data"))
    worker = Worker(server.url, "python", tmp_path / "worker.log", "--lease", "5s")
    try:
        with Executor(url=server.url, retry={"max_attempts": 5}) as executor:
            futures = [executor.submit(jobs.add, n) for n in range(100)]
            futures[0].added(30)
            server.kill()
            futures += [executor.submit(jobs.add, n) for n in range(100, 120)]
            server.start()
            assert [future.result(60) for future in futures] == list(range(1, 121))
    finally:
        worker.stop()
        server.kill()


def test_what_ran_in_a_worker_that_vanished_runs_again(url: str, queue: str, make_worker: Callable[..., Any], tmp_path: Path) -> None:
    started, gate = tmp_path / "started", tmp_path / "gate"
    first = make_worker(queue, "--lease", "1s")
    with Executor(url=url, queue=queue, retry={"max_attempts": 3}) as executor:
        future = executor.submit(jobs.wait_for_file, str(gate), str(started))
        wait_until(started.exists, "the call to run")
        first.send_signal(signal.SIGKILL)
        gate.touch()
        make_worker(queue)
        assert future.result(60) == "seen"
