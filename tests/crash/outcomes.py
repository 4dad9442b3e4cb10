#!/usr/bin/env python3
"""Kills workers, the programs they run, and the server with -9 at random moments under load, and looks at what became of tasks.

    tests/crash/outcomes.py --rounds 60 [--seed S]

Two deferd-workers, one that starts its program for each task and one with a warm handler, run tasks that succeed, take a while, fail
the first time, are killed by a signal, or must never be tried again. Each task asks for its outcome. What is promised:

  1. Each task whose add was acknowledged has an outcome in the end, and one only: once told, it is told the same ever after.
  2. A task is told as succeeded only with a result that its program wrote, for this very task; it ran at least once.
  3. One that must fail is told as failed, for the right reason, and lies among the dead, once; no other task does.
  4. In the end nothing is left: no live task, no lease.

How often a task ran is not promised to be once: at least once is.
"""

from __future__ import annotations

import argparse
import collections
import http.client
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from harness import DEFERD, Client, Refused, Server, clean_environment, wait_until  # noqa: E402

CUT_OFF = (OSError, http.client.HTTPException)
WORKER = Path(os.environ.get("DEFERD_WORKER_BINARY", DEFERD.parent / "deferd-worker"))

# kind: (weight, state, reason)
KINDS = {
    "fine": (60, "succeeded", None),
    "slow": (10, "succeeded", None),
    "flaky": (10, "succeeded", None),  # fails when its first attempt ends
    "dies": (10, "failed", "attempts"),
    "never": (10, "failed", "failed"),
}
# The payload is "KIND NUMBER". Kills by others count as attempts, so only what fails by itself may run out of them.
DIES_ATTEMPTS = 3
HANDLER = """#!/bin/sh
read -r kind number
case $kind in
  slow) sleep 0.3 ;;
  flaky) [ "$DEFERD_ATTEMPT" -gt 1 ] || exit 1 ;;
  dies) kill -9 $$ ;;
  never) exit 65 ;;
esac
echo "$kind $number done"
"""
WARM_HANDLER = """
import ctypes, os, signal, sys, time

class Task(ctypes.Structure):
    _fields_ = [("queue", ctypes.c_char_p), ("id", ctypes.c_char_p), ("name", ctypes.c_char_p), ("attempt", ctypes.c_uint64),
                ("keep_result", ctypes.c_int), ("payload", ctypes.c_void_p), ("payload_size", ctypes.c_size_t)]

task = Task()
ctypes.pythonapi.PyOS_BeforeFork()
outcome = ctypes.PyDLL(os.environ["DEFERD_WARM_LIBRARY"]).deferd_warm_next(ctypes.byref(task))
(ctypes.pythonapi.PyOS_AfterFork_Child if outcome == 1 else ctypes.pythonapi.PyOS_AfterFork_Parent)()
if outcome != 1:
    sys.exit(outcome != 0)
kind, name = ctypes.string_at(task.payload, task.payload_size).decode().split()
if kind == "slow":
    time.sleep(0.3)
if kind == "flaky" and task.attempt == 1:
    os._exit(1)
if kind == "dies":
    os.kill(os.getpid(), signal.SIGKILL)
if kind == "never":
    os._exit(65)
os.write(1, f"{kind} {name} done\\n".encode())
os._exit(0)
"""


class Worker:
    """A deferd-worker that is started again whenever it was killed."""

    def __init__(self, server: Server, folder: Path, name: str, *command: str):
        self.log_path = folder / f"{name}.log"
        self.command = [str(WORKER), "--server", f"http://127.0.0.1:{server.port}", "--queue", "work", "--name", name, "--lease",
                        "2s", "--concurrency", "4", *command]
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=clean_environment(),
                                            cwd=self.log_path.parent)

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def programs(self) -> list[int]:
        """All processes below it: those of its sandboxes are seen from outside."""
        children = collections.defaultdict(list)
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
                    children[int(fields[1])].append(int(entry))
                except OSError:
                    pass  # it has ended
        found, below = [], [self.process.pid]
        while below:
            below = [child for parent in below for child in children[parent]]
            found += below
        return found


class Tasks:
    """What was added, and what was told of it."""

    def __init__(self):
        self.lock = threading.Lock()
        self.kinds: dict[str, str] = {}  # name -> kind, of acknowledged adds
        self.doubtful: set[str] = set()  # whose add a kill cut off: there or not
        self.told: dict[str, dict] = {}
        self.told_again = 0
        self.violations: list[str] = []

    def wrong(self, what: str) -> None:
        if len(self.violations) < 20:
            print(f"VIOLATION: {what}", flush=True)
        self.violations.append(what)

    def tell(self, name: str, outcome: dict) -> None:
        kind = name.split("-")[0]
        _, state, reason = KINDS[kind]
        with self.lock:
            before = self.told.setdefault(name, outcome)
            if before is not outcome:
                self.told_again += 1
                if before != outcome:
                    return self.wrong(f"1: {name} was told as {before}, then as {outcome}")
            if outcome["state"] != state or outcome.get("reason") != reason:
                return self.wrong(f"{2 if state == 'succeeded' else 3}: {name} is told as {outcome}")
            body = outcome.get("result", {}).get("body")
            if state == "succeeded" and body != f"{kind} {name} done\n":
                self.wrong(f"2: {name} succeeded with {body!r}")


class Load:
    def __init__(self, server: Server, seed: int):
        self.server = server
        self.tasks = Tasks()
        self.seed = seed
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self._guard, args=(work, i), daemon=True)
                        for i, work in enumerate([self.add, self.add, self.ask, self.ask])]

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def stop(self) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join(90)
            assert not thread.is_alive(), "a load thread does not end"

    def _guard(self, work, number: int) -> None:
        rng = random.Random(self.seed * 1000 + number)
        client = Client(self.server.port, timeout=90.0)
        try:
            while not self.over.is_set():
                try:
                    work(client, rng)
                except Refused as refused:
                    if refused.status not in (429, 503):
                        self.tasks.wrong(f"a call was refused: {refused}")
                    time.sleep(0.05)
                except CUT_OFF:
                    time.sleep(0.005)
        except Exception as error:  # a bug of this script must not look like a pass
            self.tasks.wrong(f"load thread {number} failed: {error!r}")

    def add(self, client: Client, rng: random.Random) -> None:
        kind = rng.choices(list(KINDS), [weight for weight, _, _ in KINDS.values()])[0]
        name = f"{kind}-{rng.getrandbits(64):016x}"
        retry = {"retry": {"max_attempts": DIES_ATTEMPTS}} if kind == "dies" else {}
        try:
            client.add("work", name=name, body=f"{kind} {name}\n", keep_result="1h", **retry)
        except CUT_OFF:
            with self.tasks.lock:
                self.tasks.doubtful.add(name)
            raise
        with self.tasks.lock:
            self.tasks.kinds[name] = kind
        time.sleep(rng.uniform(0, 0.02))

    def ask(self, client: Client, rng: random.Random) -> None:
        with self.tasks.lock:
            names = rng.sample(sorted(self.tasks.kinds), min(50, len(self.tasks.kinds)))
        if not names:
            return time.sleep(0.02)
        if rng.random() < 0.3:
            outcome = client.get(f"/v1/queues/work/tasks/{names[0]}/result?wait={rng.choice(['0s', '0.2s', '1s'])}")
            found = [] if outcome["state"] == "pending" else [outcome]
        else:
            found = client.post("/v1/queues/work/tasks:results", {"ids": names, "wait": "0.5s"})["results"]
        for outcome in found:
            if "error" in outcome and "state" not in outcome:
                self.tasks.wrong(f"1: there is no outcome of {outcome}")
            else:
                self.tasks.tell(outcome["name"], outcome)
        time.sleep(rng.uniform(0, 0.05))


def judge(client: Client, tasks: Tasks) -> None:
    """In the end, when nothing runs any more."""
    names = sorted(tasks.kinds)
    for first in range(0, len(names), 1000):
        some = names[first:first + 1000]
        answer = client.post("/v1/queues/work/tasks:results", {"ids": some})
        if answer["pending"]:
            tasks.wrong(f"1: {answer['pending']} tasks are pending although nothing is left")
        for outcome in answer["results"]:
            if "state" in outcome:
                tasks.tell(outcome["name"], outcome)
            else:
                tasks.wrong(f"1: there is no outcome of {outcome}")
    for name in names:
        if name not in tasks.told:
            tasks.wrong(f"1: nothing was told of {name}")
    dead: collections.Counter[str] = collections.Counter()
    page = ""
    while True:
        answer = client.get("/v1/queues/work/dead?page_size=1000" + (f"&page_token={page}" if page else ""))
        dead.update(task["name"] for task in answer["tasks"])
        page = answer.get("next_page_token", "")
        if not page:
            break
    for name, kind in tasks.kinds.items():
        should = 1 if KINDS[kind][1] == "failed" else 0
        if dead[name] != should:
            tasks.wrong(f"3: {name} lies among the dead {dead[name]} times")
    for name in dead:
        if name not in tasks.kinds and name not in tasks.doubtful:
            tasks.wrong(f"3: {name} is dead, and was never added")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20, help="how often to kill (20)")
    parser.add_argument("--seed", type=int, default=None, help="of all random choices; what processes do in between is not replayed")
    parser.add_argument("--quiet", action="store_true", help="no line a round")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 31)
    rng = random.Random(seed)
    print(f"outcomes: {options.rounds} rounds, seed {seed} (--seed {seed} replays the choices)", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="deferd-outcomes-"))
    handler = folder / "handler"
    handler.write_text(HANDLER)
    handler.chmod(0o755)
    warm_handler = folder / "warm_handler.py"
    warm_handler.write_text(WARM_HANDLER)
    server = Server(folder)
    load = Load(server, seed)
    tasks = load.tasks
    workers = [Worker(server, folder, "cold", "--", str(handler)),
               Worker(server, folder, "warm", "--show", str(warm_handler), "--warm", "--", "/usr/bin/python3", str(warm_handler))]
    killed: collections.Counter[str] = collections.Counter()
    begun = time.monotonic()
    try:
        server.start()
        # Workers that are killed are no fault of their tasks here: that has tests of its own.
        server.client.put("/v1/queues/work", {
            "mode": "pull", "poison_after": 0, "tombstone": "1d",
            "retry": {"max_attempts": -1, "min_backoff": "10ms", "max_backoff": "50ms"}})
        for worker in workers:
            worker.start()
        load.start()
        for round_number in range(1, options.rounds + 1):
            time.sleep(rng.uniform(0.1, 1.0))
            whom = rng.choice(["server", "worker", "program", "program"])
            if whom == "server":
                if not server.alive():
                    raise AssertionError(f"deferd ended by itself:\n{server.log()[-3000:]}")
                server.kill()
                server.start()
            elif whom == "worker":
                worker = rng.choice(workers)
                worker.kill()
                worker.start()
            else:
                programs = rng.choice(workers).programs()
                if not programs:
                    continue
                try:
                    os.kill(rng.choice(programs), signal.SIGKILL)
                except ProcessLookupError:
                    continue
            killed[whom] += 1
            for worker in workers:
                if worker.process.poll() is not None:
                    raise AssertionError(f"a worker ended by itself:\n{worker.log_path.read_text()[-3000:]}")
            if not options.quiet:
                with tasks.lock:
                    print(f"round {round_number}/{options.rounds}: killed a {whom}; {len(tasks.kinds)} added, {len(tasks.told)} "
                          f"outcomes, {len(tasks.violations)} violations", flush=True)
            if tasks.violations:
                break
        load.stop()
        client = Client(server.port)
        wait_until(lambda: client.stats("work")["tasks"] == 0, "all tasks to end", 120)
        judge(client, tasks)
    finally:
        load.over.set()
        for worker in workers:
            worker.kill()
        server.kill()
    states = collections.Counter(outcome["state"] for outcome in tasks.told.values())
    attempts = sum(outcome["attempts"] for outcome in tasks.told.values())
    print(f"\nseed {seed}: killed {dict(killed)} in {time.monotonic() - begun:.0f} s")
    print(f"{len(tasks.kinds)} tasks acknowledged, {len(tasks.doubtful)} cut off; {dict(states)} in {attempts} attempts; "
          f"{tasks.told_again} outcomes told again")
    print(f"violations: {len(tasks.violations)}")
    if tasks.violations:
        print(f"data folder and logs stay in {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
