"""The worker without a sandbox, for development and where deferd-worker does not run: each task has a process, and nothing else is
between it and the machine.

The main thread alone starts processes and sees them end. Beside it one thread leases, one renews, one asks which tasks are gone, and
one tells how tasks ended; so nothing that a task does keeps its lease from being renewed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import multiprocessing
import os
import queue as queues
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from ._answers import longer_pause
from ._models import LeaseResult, Report, Task, Usage
from ._run import Answer, run
from .aio import AsyncClient
from .client import Client
from .errors import DeferdError

log = logging.getLogger("deferd.worker")

MODULES_VARIABLE = "DEFERD_WORKER_MODULES"
_LEASE_WAIT = 20.0
_WATCH_WAIT = 1.0  # a task that starts meanwhile is watched after it
_REPORTS_MAX = 100


def serve(modules: Sequence[str], *, queue: str, url: str | None, concurrency: int, lease: float, drain: float) -> int:
    """Works until SIGTERM or SIGINT. The process's exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    os.environ[MODULES_VARIABLE] = json.dumps(list(modules))
    with Client(url) as client:
        worker = _Worker(client, url, queue, concurrency, lease)
        if not worker.loads_modules():
            return 1
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: worker.stop())
        log.info("runs tasks of queue %s WITHOUT A SANDBOX, %d at once: they can do whatever this user can", queue, concurrency)
        worker.work(drain)
    return 0


@dataclass
class _Running:
    task: Task
    process: Any  # multiprocessing's, of whichever way to start it
    answer: Connection
    began: float
    gone: bool = False  # its task is no longer ours: nothing is told of it


class _Worker:
    def __init__(self, client: Client, url: str | None, queue: str, concurrency: int, lease: float):
        self._client = client
        self._url = url
        self._queue = queue
        self._lease = lease
        self._me = f"{socket.gethostname()}/{os.getpid()}"[-100:]
        ways = multiprocessing.get_all_start_methods()
        self._processes: Any = multiprocessing.get_context("forkserver" if "forkserver" in ways else "spawn")
        if "forkserver" in ways:
            self._processes.set_forkserver_preload(["deferd._preload"])
        self._leasing: tuple[asyncio.AbstractEventLoop, asyncio.Task[None]] | None = None
        self._places = concurrency  # free ones; of that loop, with the next
        self._place_is_free = asyncio.Event()
        self._leased: queues.SimpleQueue[list[Task]] = queues.SimpleQueue()
        self._ended: queues.SimpleQueue[tuple[Task, Answer, Report] | None] = queues.SimpleQueue()
        self._running: dict[str, _Running] = {}
        self._lock = threading.Lock()  # of _running and what is in it
        self._stopping = threading.Event()
        self._woken, self._wake = self._processes.Pipe(duplex=False)

    def loads_modules(self) -> bool:
        """Says what is wrong when they cannot be loaded, before any task fails of it."""
        ours, theirs = self._processes.Pipe(duplex=False)
        process = self._processes.Process(target=_try_modules, args=(theirs,))
        process.start()
        theirs.close()
        try:
            failure = json.loads(ours.recv_bytes())
        except EOFError:
            failure = "the process that loads them died"
        process.join()
        if failure:
            print(failure, file=sys.stderr)
        return not failure

    def stop(self) -> None:
        """Of a signal handler, too."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        if self._leasing is not None:
            self._leasing[0].call_soon_threadsafe(self._leasing[1].cancel)
        self._wake.send_bytes(b"x")

    def work(self, drain: float) -> None:
        for loop in (self._lease_tasks, self._renew, self._watch):
            threading.Thread(target=loop, daemon=True).start()
        reporter = threading.Thread(target=self._report, daemon=True)
        reporter.start()
        give_up = float("inf")
        while not self._stopping.is_set() or (self._running and time.monotonic() < give_up):
            if self._stopping.is_set() and give_up == float("inf"):
                log.info("draining: nothing more is leased, %d tasks may end", len(self._running))
                give_up = time.monotonic() + drain
            self._step(min(give_up - time.monotonic(), _LEASE_WAIT))
        for running in self._running.values():
            running.process.kill()
            self._ended.put((running.task, Answer("retry", error="its worker was stopped", delay=0.0), Report()))
        self._ended.put(None)
        reporter.join()

    # ---- The main thread

    def _step(self, timeout: float) -> None:
        """Waits for something to happen, and does what follows from it."""
        waits: dict[Any, _Running | None] = {self._woken: None}
        for running in self._running.values():
            waits[running.answer] = running
        for ready in wait(list(waits), max(timeout, 0.0)):
            found = waits[ready]
            if found is None:
                self._woken.recv_bytes()
            else:
                self._finish(found)
        while not self._leased.empty():
            for task in self._leased.get():
                self._start(task)

    def _start(self, task: Task) -> None:
        ours, theirs = self._processes.Pipe(duplex=False)
        process = self._processes.Process(target=_run_task, args=(theirs, task.body or b"", task.attempts))
        process.start()
        theirs.close()
        with self._lock:
            self._running[task.id] = _Running(task, process, ours, time.monotonic())

    def _finish(self, running: _Running) -> None:
        """The process has answered, or has closed its pipe without."""
        try:
            answer = Answer(**json.loads(running.answer.recv_bytes()))
            cause: dict[str, Any] = {"cause": "exited", "code": 0}
            running.process.join()
        except EOFError:
            running.process.join()
            answer, cause = _crash(running.process.exitcode)
        running.answer.close()
        with self._lock:
            del self._running[running.task.id]
        self._free_place()
        if not running.gone:
            usage = Usage(wall=round(time.monotonic() - running.began, 6), **cause)
            keeps = "keep_result" in running.task.raw and answer.verdict != "retry"
            self._ended.put((running.task, answer, Report(
                result=answer.result if keeps else None, content_type="application/json" if keeps else None,
                error=answer.error if answer.verdict != "done" else None, usage=usage)))

    # ---- The other threads

    def _lease_tasks(self) -> None:
        """On an event loop, so that stop() ends a wait at once: the server then gives nothing to us, and no attempt is used up."""
        async def until_stopped() -> None:
            async with AsyncClient(self._url) as client:
                self._leasing = (asyncio.get_running_loop(), asyncio.create_task(self._lease_for_ever(client)))
                if self._stopping.is_set():
                    self._leasing[1].cancel()
                await asyncio.wait([self._leasing[1]])

        asyncio.run(until_stopped())

    async def _lease_for_ever(self, client: AsyncClient) -> None:
        pause = 0.0
        while True:
            while self._places == 0:
                self._place_is_free.clear()
                await self._place_is_free.wait()
            try:
                tasks = await client.lease_tasks(self._queue, max=self._places, lease=self._lease, wait=_LEASE_WAIT, worker=self._me)
                pause = 0.0
            except DeferdError as error:
                log.warning("no tasks for now: %s", error)
                pause = longer_pause(pause)
                await asyncio.sleep(pause)
                continue
            if tasks:
                self._places -= len(tasks)
                self._leased.put(tasks)
                self._wake.send_bytes(b"x")

    def _free_place(self) -> None:
        """Of the main thread."""
        def free() -> None:
            self._places += 1
            self._place_is_free.set()

        if self._leasing is not None and not self._stopping.is_set():
            self._leasing[0].call_soon_threadsafe(free)

    def _renew(self) -> None:
        while True:
            time.sleep(self._lease / 3)
            with self._lock:
                tasks = [running.task for running in self._running.values()]
            if tasks:
                self._tell("renew", tasks, lambda: self._client.renew_leases(self._queue, tasks, self._lease), self._kill)

    def _watch(self) -> None:
        while True:
            with self._lock:
                ids = list(self._running)
            if not ids:
                time.sleep(_WATCH_WAIT / 10)
                continue
            try:
                for ended in self._client.watch_tasks(self._queue, ids, wait=_WATCH_WAIT):
                    self._kill(ended)
            except DeferdError:
                time.sleep(_WATCH_WAIT)  # renewing finds the same, later

    def _kill(self, id: str) -> None:
        with self._lock:
            running = self._running.get(id)
            if running is not None and not running.gone:
                running.gone = True
                running.process.kill()
                log.info("task %s is no longer ours; its process is killed", id)

    def _report(self) -> None:
        """What ends at the same time is told in one call of each kind."""
        over = False
        while not over:
            ended = [self._ended.get()]
            while not self._ended.empty() and len(ended) < _REPORTS_MAX:
                ended.append(self._ended.get())
            over = None in ended
            kinds: dict[tuple[str, float | None], list[tuple[Task, Report]]] = {}
            for task, answer, report in filter(None, ended):
                kinds.setdefault((answer.verdict, answer.delay), []).append((task, report))
            for (verdict, delay), told in kinds.items():
                tasks, reports = [task for task, _ in told], [report for _, report in told]
                if verdict == "done":
                    self._tell("ack", tasks, lambda: self._client.ack_tasks(self._queue, tasks, reports, worker=self._me))
                elif verdict == "never":
                    self._tell("fail", tasks, lambda: self._client.fail_tasks(self._queue, tasks, reports, worker=self._me))
                else:
                    self._tell("release", tasks,
                               lambda: self._client.release_tasks(self._queue, tasks, delay, reports, worker=self._me))

    def _tell(self, verb: str, tasks: list[Task], call: Callable[[], list[LeaseResult]],
              lost: Callable[[str], None] = lambda _: None) -> None:
        """Tries for as long as the leases last."""
        pause, give_up = 0.0, time.monotonic() + self._lease
        while True:
            try:
                for task, result in zip(tasks, call()):
                    if result.error is not None:
                        log.warning("task %s: %s refused: %s", task.id, verb, result.error)
                        lost(task.id)
                return
            except DeferdError as error:
                log.warning("%d tasks: %s failed: %s", len(tasks), verb, error)
                pause = longer_pause(pause)
                if time.monotonic() + pause > give_up:
                    return
                time.sleep(pause)


def _crash(code: int) -> tuple[Answer, dict[str, Any]]:
    if code < 0:
        return Answer("retry", error=f"killed by signal {-code} ({signal.Signals(-code).name})"), {"cause": "signalled", "signal": -code}
    return Answer("retry", error=f"ended with exit code {code} and no answer"), {"cause": "exited", "code": code}


# ---- In the processes of tasks


def _try_modules(answer: Connection) -> None:
    from . import _preload

    answer.send_bytes(json.dumps(_preload.failure).encode())


def _run_task(answer: Connection, payload: bytes, attempt: int) -> None:
    from . import _preload

    assert _preload.failure is None
    _end_with_the_worker()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C drains the worker
    answer.send_bytes(json.dumps(run(payload, attempt).members()).encode())


def _end_with_the_worker() -> None:
    """However that ends: it holds the other end of a pipe of ours."""
    worker = multiprocessing.parent_process()
    assert worker is not None
    if sys.platform == "linux":  # by a signal, which needs no thread, nor the interpreter's lock
        import fcntl

        fcntl.fcntl(worker.sentinel, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(worker.sentinel, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(worker.sentinel, fcntl.F_SETFL, os.O_ASYNC)
        if not worker.is_alive():  # before that
            os._exit(1)
    else:
        threading.Thread(target=lambda: (worker.join(), os.kill(os.getpid(), signal.SIGKILL)), daemon=True).start()
