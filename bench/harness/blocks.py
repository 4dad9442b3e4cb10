"""What is measured. A block is a list of rows that are compared with each other; their runs are interleaved, so that a
slow minute of the machine hits all of them. A row starts its server in a fresh folder, measures once, and stops it."""

import contextlib
import glob
import os
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Callable

from .programs import Failed, run_json
from .servers import call, client_python, need, peers_python, redis_command, wait_until

payload_bytes = 300
rest_answer_bytes = 430  # of a CreateTask over REST
none, fsync, aof = "none (memory)", "fsync before the answer", "AOF always"

# A push queue with nothing in its way but its target. As many connections as wrk and the driver use.
push_connections = 64


@dataclass
class Row:
    key: str
    name: str
    measure: Callable[[], dict]
    durability: str = "-"
    connections: str = "-"
    batch: str = "-"
    backlog: str = "-"
    on_request: bool = False  # measured only when it is named (--rows)


@dataclass
class Block:
    key: str
    title: str
    reference: str  # key of the row that the ratios are to
    rows: list
    unit: str = "per second"  # or "ms": then less is better
    notes: list = field(default_factory=list)  # filled while measuring
    close: Callable[[], None] = lambda: None


class Benchmark:
    def __init__(self, machine, seconds, large):
        self.machine = machine
        self.seconds = seconds
        self.warmup = min(1.0, seconds)
        self.large = large
        self.small = 10_000

    def blocks(self):
        return {
            "raw": self.raw,
            "adds": self.adds,
            "one": self.one_producer,
            "batches": self.batches,
            "appengine": self.appengine,
            "cloudtasks": self.cloudtasks,
            "cycles": self.cycles,
            "push": self.push,
            "latency": self.latency,
            "results": self.results,
            "result_latency": self.result_latency,
            "backlog": self.backlog,
            "restart": self.restart,
        }

    # Building stones.

    def client(self, server, target, producers=0, consumers=0, batch=1, core=None, **options):
        command = [self.machine.program("deferd_bench_client"), "--target", target, "--port", server.port,
                   "--producers", producers, "--consumers", consumers, "--batch", batch, "--payload", payload_bytes]
        if "total" not in options:
            options = {"warmup": self.warmup, "seconds": self.seconds, **options}
        for name, value in options.items():
            command += ["--" + name.replace("_", "-"), value]
        for pid in server.pids:
            command += ["--server-pid", pid]
        return run_json(command, timeout=600 + 4 * self.seconds, core=core)

    def raw_program(self, *arguments):
        folder = self.machine.folder("raw")
        try:
            return run_json([self.machine.program("deferd_bench_raw"), *arguments, "--dir", folder,
                             "--warmup", self.warmup, "--seconds", self.seconds], timeout=60 + 4 * self.seconds)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def wrk(self, start):
        """wrk reports no CPU of its own; the columns stay empty."""
        wrk = need("wrk", "wrk")
        with start() as server:
            script = os.path.join(server.folder, "post.lua")
            with open(script, "w") as lua:
                lua.write(f'wrk.method = "POST"\nwrk.body = string.rep("x", {payload_bytes})\n'
                          'done = function(summary, latency)\n'
                          '  io.write(string.format("RESULT %f %f %f %f %d\\n", summary.requests / summary.duration * 1e6,\n'
                          '    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,\n'
                          '    latency:percentile(99.9) / 1e3, summary.errors.status))\nend\n')
            done = subprocess.run([wrk, "-t1", "-c64", f"-d{max(1, round(self.seconds))}s", "-s", script,
                                   f"http://127.0.0.1:{server.port}/"], capture_output=True, text=True)
        lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
        if not lines:
            raise Failed("wrk: " + (done.stderr or done.stdout)[-300:])
        rate, p50, p99, p999, errors = map(float, lines[0].split()[1:])
        return {"per_second": rate, "p50_ms": p50, "p99_ms": p99, "p999_ms": p999, "errors": errors}

    def bullmq(self, mode, callers, batch):
        folder = self.machine.bullmq()
        with self.machine.start_redis() as redis:
            return run_json(["node", "bullmq.mjs", mode, redis.port, redis.process.pid, callers, batch, payload_bytes,
                             self.warmup, self.seconds], timeout=120 + 8 * self.seconds, cwd=folder)

    def start_redis_for(self, target):
        redis = self.machine.start_redis()
        if target == "redis-stream":
            redis_command(redis, "XGROUP", "CREATE", "bench", "bench", "0", "MKSTREAM")
        return redis

    def start_deferd_with(self, settings, data=None, program=None):
        deferd = self.machine.start_deferd(data, program)
        try:
            call(deferd, "PUT", "/v1/queues/bench", settings)
            return deferd
        except Exception:
            deferd.stop()
            raise

    def start_deferd_push_paused(self, data=None, concurrency=push_connections, program=None):
        deferd = self.start_deferd_with({"mode": "push", "rate": "unlimited", "burst": 1_000_000,
                                         "concurrency": concurrency}, data, program)
        call(deferd, "POST", "/v1/queues/bench:pause")
        return deferd

    def start_deferd_pull(self, data=None, program=None):
        return self.start_deferd_with({"mode": "pull"}, data, program)

    def measured(self, start, target, producers=0, consumers=0, batch=1, preload=0, **options):
        """A fresh server, filled with `preload` tasks, under the load of the client."""
        with start() as server:
            if preload:
                self.client(server, target, producers=8, batch=100, total=preload)
                options = {"preloaded": preload, "backlog": preload, **options}
            return self.client(server, target, producers, consumers, batch, **options)

    def round_trip(self, start, **options):
        """One caller and a server on a core each. Left alone, the kernel sometimes moves both to one core, where a round
        trip takes a tenth of the time, which no server that has work to do can count on."""
        cores = sorted(os.sched_getaffinity(0))
        with start() as server:
            for pid in server.pids:
                os.sched_setaffinity(pid, {cores[-1]})
            return self.client(server, "http", producers=1, core=cores[0], **options)

    # Peers that take part in several blocks: (key, name, durability, target of the client, how to start).

    def structures(self):
        m = self.machine
        return [
            ("redis-list", "Redis list", aof, "redis-list", lambda: self.start_redis_for("redis-list")),
            ("redis-stream", "Redis stream", aof, "redis-stream", lambda: self.start_redis_for("redis-stream")),
            ("beanstalkd", "beanstalkd", none, "beanstalkd", lambda: m.start_beanstalkd(durable=False)),
            ("beanstalkd-f0", "beanstalkd -f 0", fsync, "beanstalkd", lambda: m.start_beanstalkd(durable=True)),
        ]

    def deferds(self):
        """deferd, and the same server with one entry a task (docs/decisions/0006): (key, name, program)."""
        return [("deferd", "**deferd**", None), ("deferd-plain", "deferd, plain layout", "deferd_bench_plain")]

    def adding_rows(self, callers, batch, only=None):
        # Added to a paused push queue: the whole of an add (a target to check, headers), and nothing else.
        deferd_url = "http://127.0.0.1:9/task"
        rows = []
        for key, name, durability, target, start in self.structures():
            if only and key not in only:
                continue
            rows.append(Row(key, name + (" (pipelined)" if batch > 1 and key != "redis-list" else ""),
                            lambda t=target, s=start: self.measured(s, t, producers=callers, batch=batch),
                            durability, str(callers), str(batch), "0 and growing"))
        for key, name, program in self.deferds():
            rows.append(Row(key, name + (" tasks:batch" if batch > 1 else ""),
                            lambda p=program: self.measured(lambda: self.start_deferd_push_paused(program=p), "deferd",
                                                            producers=callers, batch=batch, url=deferd_url),
                            fsync, str(callers), str(batch), "0 and growing", on_request=program is not None))
        return rows

    # The blocks.

    def raw(self):
        m = self.machine

        def http(start, **options):
            return lambda: self.measured(start, "http", **options)

        return Block("raw", "Raw limits", "fdatasync", [
            Row("fdatasync", "fdatasync loop, 4 KiB, growing file", lambda: self.raw_program("fdatasync"), fsync, batch="1"),
            Row("fdatasync-recycled", "fdatasync loop, 4 KiB, recycled file",
                lambda: self.raw_program("fdatasync", "--recycled"), fsync, batch="1"),
            Row("rocksdb-1", "RocksDB loop, puts", lambda: self.raw_program("add", "--batch", 1), fsync, batch="1"),
            Row("rocksdb-100", "RocksDB loop, puts", lambda: self.raw_program("add", "--batch", 100), fsync, batch="100"),
            Row("nginx-wrk", "nginx `return 200`, wrk", lambda: self.wrk(m.start_nginx), connections="64", batch="1"),
            Row("nginx-64", "nginx `return 200`, our client", http(m.start_nginx, producers=64), connections="64", batch="1"),
            Row("nginx-1", "nginx `return 200`, our client", http(m.start_nginx, producers=1), connections="1", batch="1"),
            Row("sink-64", "our sink, our client", http(m.start_sink, producers=64), connections="64", batch="1"),
        ])

    def adds(self):
        rows = self.adding_rows(callers=64, batch=1)
        rows.insert(0, Row("bullmq", "BullMQ add", lambda: self.bullmq("add", 64, 1), aof, "64 callers", "1",
                           "0 and growing"))
        return Block("adds", "Adds, one task a call, 64 callers", "bullmq", rows)

    def one_producer(self):
        m = self.machine
        return Block("one", "Adds, one caller, one task a call", "rocksdb", [
            Row("rocksdb", "RocksDB loop", lambda: self.raw_program("add", "--batch", 1), fsync, batch="1"),
            Row("fdatasync", "fdatasync loop, growing file", lambda: self.raw_program("fdatasync"), fsync, batch="1"),
            Row("fdatasync-recycled", "fdatasync loop, recycled file",
                lambda: self.raw_program("fdatasync", "--recycled"), fsync, batch="1"),
            Row("nginx", "one HTTP round trip (nginx), a core each", lambda: self.round_trip(m.start_nginx),
                connections="1", batch="1"),
            *self.adding_rows(callers=1, batch=1, only=["redis-list", "beanstalkd-f0"]),
        ])

    def batches(self):
        rows = self.adding_rows(callers=8, batch=100)
        rows[:0] = [Row("rocksdb", "RocksDB loop, one entry a task", lambda: self.raw_program("add", "--batch", 100),
                        fsync, batch="100", backlog="0 and growing"),
                    Row("bullmq", "BullMQ addBulk", lambda: self.bullmq("bulk", 8, 100), aof, "8 callers", "100",
                        "0 and growing")]
        return Block("batches", "Adds, 100 tasks a call, 8 callers", "rocksdb", rows)

    def appengine(self):
        def bulk_add(callers):
            return lambda: self.measured(self.start_deferd_push_paused, "appengine", producers=callers, batch=100,
                                         url="/task")

        return Block("appengine", "App Engine's BulkAdd, 100 tasks a call", "rocksdb", [
            Row("rocksdb", "RocksDB loop, one entry a task", lambda: self.raw_program("add", "--batch", 100), fsync,
                batch="100", backlog="0 and growing"),
            Row("rpc-1", "**deferd** BulkAdd", bulk_add(1), fsync, "1", "100", "0 and growing"),
            Row("rpc-8", "**deferd** BulkAdd", bulk_add(8), fsync, "8", "100", "0 and growing"),
        ])

    def cloudtasks(self):
        """CreateTask as Google's clients call it, beside what gRPC and nginx do with messages of the same sizes."""
        m = self.machine
        options = {"url": "http://127.0.0.1:9/task", "queue": "projects/default/locations/local/queues/bench"}

        def create(start, target, callers):
            return lambda: self.measured(start, target, producers=callers, **options)

        def nginx():
            return m.start_nginx(answer_bytes=rest_answer_bytes)

        rows = []
        for callers in (64, 1):
            rows += [
                Row(f"echo-{callers}", "gRPC alone: an echo server of its callback API", create(m.start_echo, "grpc-create", callers),
                    connections=str(callers), batch="1"),
                Row(f"grpc-{callers}", "**deferd** CreateTask over gRPC", create(self.start_deferd_push_paused, "grpc-create", callers),
                    fsync, str(callers), "1", "0 and growing"),
                Row(f"nginx-{callers}", "nginx `return 200` with an answer as long as REST's", create(nginx, "rest-create", callers),
                    connections=str(callers), batch="1"),
                Row(f"rest-{callers}", "**deferd** CreateTask over REST", create(self.start_deferd_push_paused, "rest-create", callers),
                    fsync, str(callers), "1", "0 and growing"),
            ]
        return Block("cloudtasks", "Cloud Tasks' CreateTask, 64 callers and one", "echo-64", rows)

    def cycles(self):
        held = self.small

        def cycle(target, start):
            return lambda: self.measured(start, target, producers=8, consumers=8, batch=100, preload=held)

        rows = [Row("rocksdb", "RocksDB loop, one entry a task",
                    lambda: self.raw_program("cycle", "--batch", 100, "--backlog", held), fsync, batch="100",
                    backlog=count_text(held))]
        for key, name, durability, target, start in self.structures():
            rows.append(Row(key, name, cycle(target, start), durability, "8+8", "100", count_text(held)))
        rows.append(Row("bullmq", "BullMQ worker, no producer", lambda: self.bullmq("worker", 64, 1), aof,
                        "64 jobs at once", "1", "falling"))
        for key, name, program in self.deferds():
            rows.append(Row(key, name + " lease and ack",
                            cycle("deferd", lambda p=program: self.start_deferd_pull(program=p)), fsync, "8+8", "100",
                            count_text(held), on_request=program is not None))
        return Block("cycles", "Full cycles: take 100, finish 100, producers running", "beanstalkd", rows)

    def push(self):
        m = self.machine
        return Block("push", "Push to the sink", "wrk", [
            Row("wrk", "wrk", lambda: self.wrk(m.start_sink), connections="64", batch="1"),
            Row("client", "our client", lambda: self.measured(m.start_sink, "http", producers=64), connections="64",
                batch="1"),
            Row("deferd", "**deferd**, until the last completion is counted", self.push_once,
                "tasks: fsync; completions ride along", str(push_connections), "1", "falling"),
        ])

    def push_once(self):
        """A backlog is loaded while the queue is paused; the rate is that from the resume until statistics show all
        done."""
        count = max(10_000, round(self.seconds * 40_000 / 100) * 100)
        with self.machine.start_sink() as sink, self.start_deferd_push_paused() as deferd:
            self.client(deferd, "deferd", producers=8, batch=100, total=count, url=f"http://127.0.0.1:{sink.port}/task")
            call(sink, "POST", "/reset")
            before = cpu_seconds(deferd)
            begin = time.monotonic()
            call(deferd, "POST", "/v1/queues/bench:resume")
            wait_until(lambda: tasks_waiting(deferd) == 0, "all tasks to be pushed", pause=0.02)
            seconds = time.monotonic() - begin
            seen = call(sink, "GET", "/stats")
            if seen["requests"] < count:
                raise Failed(f"{count} tasks ended, but the sink saw {seen['requests']}")
            return {"per_second": count / seconds, "seconds": seconds, "server_cpu": cpu_seconds(deferd) - before,
                    "errors": seen["requests"] - count}

    def latency(self):
        m = self.machine
        return Block("latency", "One task due, an idle server", "round-trip", [
            Row("round-trip", "one HTTP round trip after the other, a core each",
                lambda: as_ms(self.round_trip(m.start_sink)), connections="1", batch="1"),
            Row("round-trip-idle", "one HTTP round trip each 40 ms, a core each",
                lambda: as_ms(self.round_trip(m.start_sink, pause_ms=40)), connections="1", batch="1"),
            Row("round-trip-unpinned", "one HTTP round trip each 40 ms, placed by the kernel",
                lambda: as_ms(self.measured(m.start_sink, "http", producers=1, pause_ms=40)), connections="1", batch="1"),
            Row("deferd", "**deferd**, ETA to arrival at the target, one each 40 ms", self.latency_once, fsync, "1", "1",
                "1"),
        ], unit="ms")

    def latency_once(self):
        with self.machine.start_sink() as sink, self.start_deferd_with({"mode": "push", "rate": "unlimited"}) as deferd:
            for warm in (True, False):
                call(sink, "POST", "/reset")
                for _ in range(5 if warm else max(20, round(25 * self.seconds))):
                    begin = time.monotonic()
                    eta_us = time.time_ns() // 1000 + 20_000
                    eta = datetime.fromtimestamp(eta_us / 1e6, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.")
                    call(deferd, "POST", "/v1/queues/bench/tasks",
                         {"url": f"http://127.0.0.1:{sink.port}/task", "eta": f"{eta}{eta_us % 1_000_000:06d}Z",
                          "headers": {"X-Bench-Eta-Us": str(eta_us)}, "body": "x" * payload_bytes})
                    time.sleep(max(0.0, 0.040 - (time.monotonic() - begin)))
                wait_until(lambda: tasks_waiting(deferd) == 0, "all tasks to be pushed")
            seen = call(sink, "GET", "/stats")
            if seen["early_us"] > 0:
                raise Failed(f"a task came {seen['early_us']} us before its ETA")
            return as_ms(seen)

    # Executors: the caller, the server and the workers of each have the same two cores.

    def results(self):
        return Block("results", "Calls of a function that does nothing, their results read: 4 callers, 100 calls at once each",
                     "celery", self.executors("throughput", "4 callers", "100"))

    def result_latency(self):
        return Block("result_latency", "One call of such a function, from before it is submitted to its result", "celery",
                     self.executors("latency", "1 caller", "1"), unit="ms")

    def executors(self, mode, callers, batch):
        def row(key, name, start, durability):
            return Row(key, name, lambda: self.executor(key, start, mode), durability, callers, batch, "as many as are under way")

        return [row("deferd", "**deferd** `Executor`, `deferd-worker --python`, a sandbox each", self.start_deferd_executor, fsync),
                row("celery", "Celery prefork, Redis as broker and for results", self.start_celery, aof),
                row("rq", "RQ, a fork each, Redis", self.start_rq, aof)]

    def executor(self, key, start, mode):
        python = self.machine.python()
        with contextlib.ExitStack() as running:
            server = start(python, running)
            return run_json([python, os.path.join(peers_python, "callers.py"), key, server.port, mode, self.warmup, self.seconds],
                            timeout=180 + 8 * self.seconds,
                            environment={"PYTHONPATH": f"{client_python}:{peers_python}"})

    def start_deferd_executor(self, python, running):
        worker = self.machine.program("deferd-worker")
        deferd = running.enter_context(self.start_deferd_with({"mode": "pull"}))
        paths = {"PYTHONPATH": f"{client_python}:{peers_python}", "PATH": os.path.dirname(python) + ":" + os.environ["PATH"]}
        running.enter_context(self.machine.start_program(
            "worker", [worker, "--server", f"http://127.0.0.1:{deferd.port}", "--queue", "bench", "--concurrency",
                       str(os.cpu_count()), "--python", "noop"], paths))
        return deferd

    def start_celery(self, python, running):
        redis = running.enter_context(self.machine.start_redis())
        environment = {"EXECUTOR": "celery", "REDIS_PORT": str(redis.port), "PYTHONPATH": peers_python,
                       "C_FORCE_ROOT": "1"}
        running.enter_context(self.machine.start_program(
            "celery", [python, "-m", "celery", "--app", "noop", "worker", "--pool", "prefork", "--concurrency",
                       str(os.cpu_count()), "--loglevel", "error", "--without-gossip", "--without-mingle",
                       "--without-heartbeat"], environment))
        return redis

    def start_rq(self, python, running):
        redis = running.enter_context(self.machine.start_redis())
        for _ in range(os.cpu_count()):
            running.enter_context(self.machine.start_program(
                "rq", [python, "-m", "rq.cli", "worker", "--quiet", "--url", f"redis://127.0.0.1:{redis.port}", "bench"],
                {"PYTHONPATH": peers_python}))
        return redis

    def backlog(self):
        """Two servers stay up, one with few tasks and one with many, and take turns.

        Memory: caches and write buffers fill up to their bounds while the large one is loaded, which has nothing to do with
        how many tasks wait. So it is read at rest, and twice, at half of the backlog and at the whole, and what it grew by in between is
        what a queued task costs."""
        sizes = {"small": self.small, "large": self.large}
        plain = {f"plain-{key}": size for key, size in sizes.items()}
        sizes |= plain
        servers = {}
        rss = {}
        bytes_a_task = {}
        stack = contextlib.ExitStack()
        block = Block("backlog", f"Full cycles at a backlog of {count_text(self.large)} against {count_text(self.small)}",
                      "small", [], close=stack.close)

        def work(key, backlog, **options):
            return self.client(servers[key], "deferd", producers=8, consumers=8, batch=100, backlog=backlog,
                               preloaded=backlog, **options)

        def prepare(key):
            program = "deferd_bench_plain" if key in plain else None
            servers[key] = stack.enter_context(self.start_deferd_pull(program=program))
            half = sizes[key] // 200 * 100
            at = 0
            for loaded in (half, sizes[key]):
                self.client(servers[key], "deferd", producers=8, batch=100, total=loaded - at)
                at = loaded
                work(key, loaded, seconds=1)
                rss[key, loaded] = servers[key].resting_rss_bytes()
            where = "Resident memory" + (" of the plain layout" if key in plain else "")
            if sizes[key] == self.small:
                block.notes.append(f"{where} at {count_text(self.small)} tasks: {rss[key, self.small] / 1e6:.0f} MB.")
            else:
                growth = rss[key, self.large] - rss[key, half]
                bytes_a_task[key] = growth / (self.large - half)
                block.notes.append(f"{where} at {count_text(half)} and {count_text(self.large)} tasks: "
                                   f"{rss[key, half] / 1e6:.0f} and {rss[key, self.large] / 1e6:.0f} MB, "
                                   f"{bytes_a_task[key]:.1f} bytes a task between them.")

        def cycle(key):
            if key not in servers:
                prepare(key)
            result = work(key, sizes[key])
            if key in bytes_a_task:
                result["bytes_a_task"] = bytes_a_task[key]
            return result

        for key, size in sizes.items():
            name = "deferd, plain layout" if key in plain else "**deferd**"
            block.rows.append(Row(key, name + " lease and ack", lambda k=key: cycle(k), fsync, "8+8", "100",
                                  count_text(size), on_request=key in plain))
        return block

    def restart(self):
        """A folder with many tasks is left by kill -9 while one attempt is under way; each run opens a fresh copy. The
        first dispatch is the same task again: the queue has a concurrency of 1 and its target does not answer."""
        m = self.machine
        stack = contextlib.ExitStack()
        state = {}

        def prepare():
            if state:
                return
            sink = stack.enter_context(m.start_sink())
            deferd = stack.enter_context(self.start_deferd_push_paused(concurrency=1))
            self.client(deferd, "deferd", producers=8, batch=100, total=self.large,
                        url=f"http://127.0.0.1:{sink.port}/hold")
            call(deferd, "POST", "/v1/queues/bench:resume")
            wait_until(lambda: call(sink, "GET", "/stats")["requests"] >= 1, "the first dispatch")
            deferd.kill()
            state.update(sink=sink, data=deferd.data)

        def first_dispatch():
            prepare()
            data = copy_of(state["data"], m.folder("restart"))
            call(state["sink"], "POST", "/reset")
            with m.start_deferd(data) as deferd:
                wait_until(lambda: call(state["sink"], "GET", "/stats")["requests"] >= 1, "the first dispatch")
                first_us = call(state["sink"], "GET", "/stats")["first_us"]
                deferd.kill()
            shutil.rmtree(data, ignore_errors=True)
            return as_ms({"p50_ms": (first_us - deferd.started_us) / 1000})

        def rocksdb_open():
            prepare()
            data = copy_of(state["data"], m.folder("restart"))
            currents = glob.glob(os.path.join(data, "**", "CURRENT"), recursive=True)
            if len(currents) != 1:
                raise Failed(f"{data} holds {len(currents)} RocksDB folders, not 1")
            opened = run_json([m.program("deferd_bench_raw"), "open", "--dir", os.path.dirname(currents[0])], timeout=600)
            shutil.rmtree(data, ignore_errors=True)
            return as_ms({"p50_ms": opened["seconds"] * 1000})

        backlog = count_text(self.large)
        return Block("restart", f"Restart on {backlog} tasks, after kill -9", "rocksdb", [
            Row("rocksdb", "RocksDB's own open", rocksdb_open, fsync, backlog=backlog),
            Row("deferd", "**deferd**, exec to the first dispatch at its target", first_dispatch, fsync, backlog=backlog),
        ], unit="ms", close=stack.close)


def as_ms(result):
    return {**result, "value_ms": result["p50_ms"]}


def count_text(count):
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if count % size == 0 and count >= size:
            return f"{count // size} {letter}"
    return str(count)


def cpu_seconds(server):
    with open(f"/proc/{server.process.pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def tasks_waiting(deferd):
    """Tasks of the queue that have not ended, whatever their state."""
    return call(deferd, "GET", "/v1/queues/bench/stats")["tasks"]


def copy_of(data, parent):
    """A copy of a data folder that costs no time and no space for what RocksDB never changes: tables and blobs are linked,
    logs and the rest copied."""
    target = os.path.join(parent, "data")

    def copy(source, destination):
        if source.endswith((".sst", ".blob")):
            os.link(source, destination)
        else:
            shutil.copy2(source, destination)

    shutil.copytree(data, target, copy_function=copy)
    os.chmod(target, 0o700)
    return target
