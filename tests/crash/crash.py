#!/usr/bin/env python3
"""Kills a loaded deferd with -9 at random moments, again and again on one data folder, and looks for broken promises.

    ./dev crash --rounds 300 [--seed S]

Under load all the time: adds one by one (named and not) and in batches to a pull and a push queue, leases and acks, pushes
to a target that counts and now and then fails. Some kills come while the server is still starting. What is promised:

  1. An add that was acknowledged is delivered in the end: pushed to its target, or leased.
  2. A task whose ack was acknowledged is never leased again.
  3. A leased task is nobody else's until its lease ends, also over a kill.
  4. A name that was acknowledged stays taken.
  5. What was refused, or never sent, is never delivered.

A call that the kill cut off may have been carried out or not; such tasks may come or stay away. A push may arrive twice,
as at-least-once allows; how often is told.
"""

from __future__ import annotations

import argparse
import http.client
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
from harness import Answer, Client, Refused, Server, Target, clean_environment, wait_until  # noqa: E402

LEASE_SECONDS = 2.0
# A lease is timed from before its call was sent, so only the resolution of clocks can make an honest server look early.
CLOCK_SLACK_SECONDS = 0.01
CUT_OFF = (OSError, http.client.HTTPException)


class Ledger:
    """What was promised, and what came. One lock; every method is short."""

    def __init__(self):
        self.lock = threading.Lock()
        self.sent: set[str] = set()
        self.promised: dict[str, set[str]] = {"pull": set(), "push": set()}  # bodies whose add was acknowledged
        self.refused: set[str] = set()
        self.names: list[str] = []  # acknowledged ones
        self.acked: dict[str, float] = {}  # body -> when the ack was acknowledged
        self.ack_unknown: set[str] = set()  # acks that a kill cut off
        self.held: dict[str, float] = {}  # body -> until when its lease lasts at least
        self.pushed: dict[str, int] = {}
        self.cut_off = 0
        self.violations: list[str] = []

    def wrong(self, what: str) -> None:
        if len(self.violations) < 20:
            print(f"VIOLATION: {what}", flush=True)
        self.violations.append(what)

    def push_arrived(self, body: str) -> None:
        with self.lock:
            if body not in self.sent or body in self.refused:
                self.wrong(f"5: pushed although never taken in: {body}")
            self.pushed[body] = self.pushed.get(body, 0) + 1

    def leased(self, body: str, asked: float, answered: float) -> None:
        with self.lock:
            if body not in self.sent or body in self.refused:
                self.wrong(f"5: leased although never taken in: {body}")
            if self.acked.get(body, asked) < asked:
                self.wrong(f"2: leased {asked - self.acked[body]:.3f} s after its ack was acknowledged: {body}")
            until = self.held.get(body, 0.0)
            if answered < until - CLOCK_SLACK_SECONDS:
                self.wrong(f"3: leased again {until - answered:.3f} s before its lease ended: {body}")
            self.held[body] = asked + LEASE_SECONDS


class Load:
    def __init__(self, server: Server, target: Target, seed: int):
        self.server = server
        self.target = target
        self.ledger = Ledger()
        self.seed = seed
        self.over = threading.Event()
        self.up = threading.Event()
        self.threads = [threading.Thread(target=self._guard, args=(work, i), daemon=True)
                        for i, work in enumerate([self.add, self.add, self.batch, self.work, self.work, self.reuse_names])]

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def stop(self) -> None:
        self.over.set()
        self.up.set()
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive(), "a load thread does not end"

    def _guard(self, work, number: int) -> None:
        rng = random.Random(self.seed * 1000 + number)
        client = Client(self.server.port, timeout=20.0)
        try:
            while not self.over.is_set():
                self.up.wait()
                if self.over.is_set():
                    return
                try:
                    work(client, rng, number)
                except Refused as refused:
                    self.ledger.wrong(f"a call was refused: {refused}")
                    time.sleep(0.1)
                except CUT_OFF:
                    time.sleep(0.002)  # the server is down; its return is announced, its death is not
        except Exception as error:  # a bug of this script must not look like a pass
            self.ledger.wrong(f"load thread {number} failed: {error!r}")

    def task(self, rng: random.Random, number: int) -> tuple[str, dict]:
        """A queue and a task with a body that no other task has."""
        queue = "push" if rng.random() < 0.3 else "pull"
        body = f"{number}-{rng.getrandbits(64):016x}"
        task: dict = {"body": body}
        if queue == "push":
            task["url"] = self.target.url()
        if rng.random() < 0.3:
            task["name"] = "n" + body
        if rng.random() < 0.2:
            task["delay"] = f"{rng.randrange(1, 500)}ms"
        if rng.random() < 0.1:
            task["body"] = body + " " + "x" * rng.randrange(0, 20_000)
        if rng.random() < 0.3:
            task["priority"] = rng.randrange(10)
        return queue, task

    def add(self, client: Client, rng: random.Random, number: int) -> None:
        queue, task = self.task(rng, number)
        body = task["body"].split(" ")[0]
        with self.ledger.lock:
            self.ledger.sent.add(body)
        try:
            client.add(queue, **task)
        except Refused as refused:
            with self.ledger.lock:
                self.ledger.refused.add(body)
            if refused.status not in (429, 503):
                self.ledger.wrong(f"an add was refused: {refused}")
            return
        except CUT_OFF:
            with self.ledger.lock:
                self.ledger.cut_off += 1
            raise
        with self.ledger.lock:
            self.ledger.promised[queue].add(body)
            if "name" in task:
                self.ledger.names.append(f"{queue}/{task['name']}")

    def batch(self, client: Client, rng: random.Random, number: int) -> None:
        made = [self.task(rng, number) for _ in range(rng.randrange(1, 60))]
        for queue in ("pull", "push"):
            tasks = [task for q, task in made if q == queue]
            if not tasks:
                continue
            bodies = [task["body"].split(" ")[0] for task in tasks]
            with self.ledger.lock:
                self.ledger.sent.update(bodies)
            try:
                results = client.post(f"/v1/queues/{queue}/tasks:batch", {"tasks": tasks})["results"]
            except Refused as refused:
                with self.ledger.lock:
                    self.ledger.refused.update(bodies)
                if refused.status not in (429, 503):
                    self.ledger.wrong(f"a batch was refused: {refused}")
                continue
            except CUT_OFF:
                with self.ledger.lock:
                    self.ledger.cut_off += len(bodies)
                raise
            with self.ledger.lock:
                for body, result in zip(bodies, results, strict=True):
                    if "task" in result:
                        self.ledger.promised[queue].add(body)
                    else:
                        self.ledger.refused.add(body)

    def work(self, client: Client, rng: random.Random, number: int) -> None:
        self.lease_and_ack(client, rng.randrange(1, 200), forget=rng.random() < 0.05)

    def lease_and_ack(self, client: Client, tasks_max: int, forget: bool = False) -> int:
        asked = time.monotonic()
        answer = client.post("/v1/queues/pull/tasks:lease",
                             {"max": tasks_max, "lease": f"{LEASE_SECONDS}s", "wait": "0.1s"})
        answered = time.monotonic()
        tasks = answer["tasks"]
        bodies = [task["body"].split(" ")[0] for task in tasks]
        for body in bodies:
            self.ledger.leased(body, asked, answered)
        if not tasks or forget:  # a worker that died
            return len(tasks)
        with self.ledger.lock:
            self.ledger.ack_unknown.update(bodies)
        results = client.post("/v1/queues/pull/tasks:ack",
                              {"tasks": [{"id": t["id"], "lease_token": t["lease_token"]} for t in tasks]})["results"]
        now = time.monotonic()
        with self.ledger.lock:
            for body, result in zip(bodies, results, strict=True):
                if "error" in result:
                    # The lease ended before the ack came; it says nothing about the task.
                    if now < asked + LEASE_SECONDS - 0.1:
                        self.ledger.wrong(f"3: an ack within its lease was refused: {body}: {result['error']}")
                else:
                    self.ledger.acked[body] = now
        return len(tasks)

    def reuse_names(self, client: Client, rng: random.Random, number: int) -> None:
        with self.ledger.lock:
            name = rng.choice(self.ledger.names) if self.ledger.names else None
        time.sleep(0.01)
        if name is None:
            return
        queue, name = name.split("/")
        body = f"reused-{name}-{rng.getrandbits(32)}"
        try:
            client.add(queue, name=name, body=body, **({"url": self.target.url()} if queue == "push" else {}))
        except Refused as refused:
            if refused.status not in (409, 429, 503):
                self.ledger.wrong(f"4: a taken name was answered with {refused}")
            return
        self.ledger.wrong(f"4: the name {name} was given a second time")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20, help="how often to kill (20)")
    parser.add_argument("--seed", type=int, default=None, help="of all random choices; what threads do in between is not replayed")
    parser.add_argument("--data", type=Path, default=None, help="where to keep the data folder and log; kept when given")
    parser.add_argument("--quiet", action="store_true", help="no line a round")
    parser.add_argument("flags", nargs="*", help="after --: further flags of deferd")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 31)
    rng = random.Random(seed)
    print(f"crash: {options.rounds} rounds, seed {seed} (--seed {seed} replays the choices)", flush=True)
    folder = options.data or Path(tempfile.mkdtemp(prefix="deferd-crash-"))

    fail = random.Random(seed + 1)
    load: Load | None = None

    def answer(push):
        # The count is the proof that it arrived; what is answered then decides whether it comes again.
        load.ledger.push_arrived(push.body.split(b" ")[0].decode())
        return 500 if fail.random() < 0.05 else Answer(200, delay=0.002)

    target = Target(answer)
    server = Server(folder, *options.flags)
    load = Load(server, target, seed)
    ledger = load.ledger
    begun = time.monotonic()
    slowest_start = 0.0
    startup_kills = 0
    try:
        server.start()
        client = server.client
        client.put("/v1/queues/pull", {"mode": "pull", "tombstone": "1d"})
        client.put("/v1/queues/push", {"rate": "unlimited", "concurrency": 200, "tombstone": "1d",
                                       "retry": {"max_attempts": -1, "min_backoff": "0.02s", "max_backoff": "0.2s"}})
        load.start()
        for round_number in range(1, options.rounds + 1):
            load.up.set()
            time.sleep(rng.uniform(0.05, 0.9))
            if not server.alive():
                raise AssertionError(f"deferd ended by itself:\n{server.log()[-3000:]}")
            load.up.clear()
            server.kill()
            if rng.random() < 0.2:
                # Once more, while it recovers from the first.
                startup_kills += 1
                with open(server.log_path, "ab") as log:
                    starting = subprocess.Popen(server.command(), stdout=log, stderr=log, env=clean_environment())
                time.sleep(rng.uniform(0.0, 0.15))
                starting.send_signal(signal.SIGKILL)
                starting.wait()
            restart = time.monotonic()
            server.start()
            slowest_start = max(slowest_start, time.monotonic() - restart)
            if not options.quiet:
                with ledger.lock:
                    print(f"round {round_number}/{options.rounds}: {len(ledger.promised['pull']) + len(ledger.promised['push'])} "
                          f"adds acknowledged, {len(ledger.acked)} acks, {sum(ledger.pushed.values())} pushes, "
                          f"{len(ledger.violations)} violations", flush=True)
            if ledger.violations:
                break
        # Calm: nothing new, nobody dies; all that is there must come.
        load.stop()
        client = Client(server.port)
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < LEASE_SECONDS + 1.5:  # all leases and delays have ended by then
            try:
                if load.lease_and_ack(client, 1000):
                    quiet_since = time.monotonic()
            except Refused:
                break  # told below
        try:
            wait_until(lambda: client.stats("push")["tasks"] == 0, "the push queue to drain", 120)
            left = client.stats("pull")["tasks"]
        except Refused as refused:
            ledger.wrong(f"1: a queue is gone: {refused}")
            left = 0
        if left:
            ledger.wrong(f"1: {left} tasks are counted in the pull queue and are not leased")
        for body in sorted(ledger.promised["pull"] - set(ledger.acked) - ledger.ack_unknown)[:20]:
            ledger.wrong(f"1: acknowledged, and never leased again: {body}")
        for body in sorted(ledger.promised["push"] - set(ledger.pushed))[:20]:
            ledger.wrong(f"1: acknowledged, and never pushed: {body}")
        server.stop()
    finally:
        load.over.set()
        load.up.set()
        server.kill()
        target.close()
    twice = sum(1 for count in ledger.pushed.values() if count > 1)
    print(f"\nseed {seed}: {options.rounds} kills (+{startup_kills} while starting) in {time.monotonic() - begun:.0f} s, "
          f"slowest start {slowest_start:.2f} s")
    print(f"adds acknowledged: {len(ledger.promised['pull'])} pull, {len(ledger.promised['push'])} push; "
          f"cut off by a kill: {ledger.cut_off}; acks acknowledged: {len(ledger.acked)}; names kept: {len(ledger.names)}")
    print(f"pushed: {len(ledger.pushed)} tasks, {twice} of them more than once (failed on purpose, or cut off by a kill)")
    print(f"violations: {len(ledger.violations)}")
    if ledger.violations:
        print(f"data folder and log stay in {folder}")
        return 1
    if options.data is None:
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
