#!/usr/bin/env python3
"""Adds calls of a function that does nothing to one of several executors and reads their results; prints one line of JSON.

    callers.py EXECUTOR PORT throughput|latency WARMUP SECONDS      EXECUTOR: deferd, celery, rq

`throughput`: 4 threads, each submits 100 calls, reads their 100 results, and begins again. `latency`: one call at a time, from
before it is submitted until its result is there."""

import json
import os
import statistics
import sys
import threading
import time

threads = 4
calls_at_once = 100


class Deferd:
    def __init__(self, port):
        import deferd
        import noop

        self.function = noop.noop
        self.executor = deferd.Executor(queue="bench", url=f"http://127.0.0.1:{port}")

    def many(self, count):
        return self.executor.map(self.function, range(count), timeout=60)

    def one(self):
        return self.executor.submit(self.function, 7).result(timeout=60)


class Celery:
    def __init__(self, port):
        os.environ["REDIS_PORT"] = port
        import noop

        self.task = noop.celery_app().tasks["noop.noop"]

    def many(self, count):
        from celery import group

        calls = group(self.task.s(i) for i in range(count)).apply_async()
        return (end["result"] for _, end in calls.iter_native(timeout=60))

    def one(self):
        return self.task.delay(7).get(timeout=60)


class Rq:
    def __init__(self, port):
        import noop
        import redis
        import rq

        self.queue = rq.Queue("bench", connection=redis.Redis(port=int(port)))
        self.data = lambda i: rq.Queue.prepare_data(noop.noop, (i,), result_ttl=60)

    def many(self, count):
        return map(self.wait, self.queue.enqueue_many([self.data(i) for i in range(count)]))

    def one(self):
        return self.wait(self.queue.enqueue_many([self.data(7)])[0])

    @staticmethod
    def wait(job):
        result = job.latest_result(timeout=60)
        if result is None or result.type != result.Type.SUCCESSFUL:
            raise RuntimeError(f"no result of {job.id}")
        return result.return_value


def throughput(executor, warmup, seconds):
    done = [0] * threads
    failures = []
    begin = time.monotonic() + warmup
    end = begin + seconds

    def work(index):
        try:
            while time.monotonic() < end:
                results = []
                for result in executor.many(calls_at_once):
                    results.append(result)
                    if begin <= time.monotonic() < end:
                        done[index] += 1
                assert sorted(results) == list(range(calls_at_once))
        except Exception as error:  # noqa: BLE001
            failures.append(repr(error))

    workers = [threading.Thread(target=work, args=[i]) for i in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return {"per_second": sum(done) / seconds, "seconds": seconds, "errors": len(failures),
            "first_error": failures[0][:300] if failures else ""}


def latency(executor, warmup, seconds):
    times = []
    begin = time.monotonic()
    while time.monotonic() < begin + warmup + seconds or len(times) < 10:
        start = time.monotonic()
        assert executor.one() == 7
        if start >= begin + warmup:
            times.append((time.monotonic() - start) * 1e3)
    cuts = statistics.quantiles(times, n=1000, method="inclusive")
    return {"per_second": len(times) / seconds, "seconds": seconds, "value_ms": statistics.median(times), "p50_ms": cuts[499],
            "p99_ms": cuts[989], "p999_ms": cuts[998]}


def main():
    name, port, mode, warmup, seconds = sys.argv[1:]
    executor = {"deferd": Deferd, "celery": Celery, "rq": Rq}[name](port)
    measure = {"throughput": throughput, "latency": latency}[mode]
    result = measure(executor, float(warmup), float(seconds))
    print(json.dumps(result), flush=True)
    os._exit(0)  # no executor's own shutdown is waited for


if __name__ == "__main__":
    main()
