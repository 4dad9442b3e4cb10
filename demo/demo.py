#!/usr/bin/env python3
"""Counts the words of 2,000 real documents through deferd, which is killed half-way.

    producer ──▶ queue "documents" (push, paced, two priorities) ──▶ target: compresses and counts a file
                                                                       │ result as a task
    collected ◀── two workers lease and ack ◀── queue "results" (pull) ◀┘

The target fails 5 % of its attempts on purpose, before or after the work, and now and then hangs beyond the timeout; the
server gets kill -9 half-way and is started again on its data folder. Pushes are at least once, so the target names each
result after its document: a second one of that name is refused, and every document is counted once.

At the end the words of every file are counted directly, and each must be the same.
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import http.server
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = Path("/usr/share/doc")
RATE = "150/s"
FAIL_PART = 0.05
HANG_PART = 0.003
ATTEMPT_TIMEOUT = 1.0


class Api:
    """JSON calls to deferd, one kept connection a thread."""

    def __init__(self, port: int):
        self.port = port
        self.local = threading.local()

    def call(self, method: str, path: str, body: object = None) -> tuple[int, dict]:
        connection = getattr(self.local, "connection", None)
        if connection is None:
            connection = self.local.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            response = connection.getresponse()
            raw = response.read()
            return response.status, json.loads(raw) if raw else {}
        except (OSError, http.client.HTTPException):
            connection.close()
            self.local.connection = None
            raise

    def patiently(self, method: str, path: str, body: object = None) -> tuple[int, dict]:
        """Again until the server is there. For calls that may be repeated: reads, and adds with names."""
        while True:
            try:
                status, answer = self.call(method, path, body)
                if status not in (429, 503):
                    return status, answer
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.02)


class Server:
    def __init__(self, folder: Path):
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process: subprocess.Popen | None = None

    def start(self) -> float:
        """Seconds until it took tasks."""
        begun = time.monotonic()
        environment = {k: v for k, v in os.environ.items() if not k.startswith("DEFERD_")}
        with open(self.folder / "deferd.log", "ab") as log:
            self.process = subprocess.Popen(
                [str(ROOT / "build/bin/deferd"), "--data", str(self.folder / "data"), "--listen", f"127.0.0.1:{self.port}"],
                stdout=log, stderr=log, env=environment)
        while True:
            if self.process.poll() is not None:
                sys.exit(f"deferd ended with {self.process.returncode}; its log:\n" + (self.folder / "deferd.log").read_text()[-2000:])
            try:
                if Api(self.port).call("GET", "/readyz")[0] == 200:
                    return time.monotonic() - begun
            except (OSError, http.client.HTTPException):
                time.sleep(0.005)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


def read_document(path: str) -> bytes:
    data = Path(path).read_bytes()
    return gzip.decompress(data) if path.endswith(".gz") else data


def is_text(data: bytes) -> bool:
    if not data or len(data) > 2 << 20 or b"\0" in data:
        return False
    try:
        data.decode()
        return True
    except UnicodeDecodeError:
        return False


def find_documents(most: int) -> list[str]:
    found = []
    for folder, folders, files in os.walk(DOCUMENTS):
        folders.sort()
        for name in sorted(files):
            path = os.path.join(folder, name)
            if os.path.islink(path):
                continue
            try:
                if is_text(read_document(path)):
                    found.append(path)
            except (OSError, EOFError, zlib.error):
                continue
            if len(found) == most:
                return found
    return found


class CountingTarget(http.server.ThreadingHTTPServer):
    """Gets a document's path, answers when its result is in the pull queue."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, api: Api, rng: random.Random):
        self.api = api
        self.rng = rng
        self.lock = threading.Lock()
        self.attempts = self.failed = self.hung = self.repeated = 0
        super().__init__(("127.0.0.1", 0), CountingHandler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        pass  # the server went away in the middle; it comes again


class CountingHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: CountingTarget

    def log_message(self, *_):
        pass

    def do_POST(self):
        target = self.server
        document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with target.lock:
            target.attempts += 1
            fails = target.rng.random() < FAIL_PART
            fails_late = fails and target.rng.random() < 0.5
            hangs = target.rng.random() < HANG_PART
            target.failed += fails
            target.hung += hangs
        if hangs:
            time.sleep(ATTEMPT_TIMEOUT * 1.5)
        if fails and not fails_late:
            return self.say(500)
        text = read_document(document["path"])
        result = {"path": document["path"], "priority": document["priority"], "bytes": len(text),
                  "compressed": len(zlib.compress(text)), "words": len(text.split())}
        try:
            status, _ = target.api.call("POST", "/v1/queues/results/tasks",
                                        {"name": f"result-{document['number']}", "json": result})
        except (OSError, http.client.HTTPException):
            return self.say(503)  # deferd is away: let it ask again
        if status == 409:  # counted in an earlier attempt whose answer was lost, or that failed late
            with target.lock:
                target.repeated += 1
        elif status != 201:
            return self.say(503)
        self.say(500 if fails_late else 200)

    def say(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


class Workers:
    """Two leasing workers that collect results; a result that comes again must be the same."""

    def __init__(self, api: Api):
        self.api = api
        self.over = threading.Event()
        self.lock = threading.Lock()
        self.results: dict[str, dict] = {}  # by path, in the order of arrival
        self.delivered = 0
        self.contradictions = 0
        self.by_worker = [0, 0]
        self.threads = [threading.Thread(target=self.work, args=(i,), daemon=True) for i in range(2)]
        for thread in self.threads:
            thread.start()

    def work(self, number: int) -> None:
        while not self.over.is_set():
            try:
                status, answer = self.api.call("POST", "/v1/queues/results/tasks:lease", {"max": 20, "lease": "5s", "wait": "0.5s"})
                tasks = answer["tasks"] if status == 200 else []
                if not tasks:
                    continue
                with self.lock:
                    for task in tasks:
                        result = json.loads(task["body"])
                        before = self.results.setdefault(result["path"], result)
                        self.contradictions += before != result
                        self.delivered += 1
                        self.by_worker[number] += 1
                # What was collected is acknowledged; when this is cut off the tasks come again, and are the same.
                self.api.call("POST", "/v1/queues/results/tasks:ack",
                              {"tasks": [{"id": task["id"], "lease_token": task["lease_token"]} for task in tasks]})
            except (OSError, http.client.HTTPException):
                time.sleep(0.02)

    def stop(self) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join(10)


def produce(api: Api, target_port: int, documents: list[str], stored: list[int]) -> None:
    """Batches of 50 with names, so that a batch that a kill cut off can simply be sent again."""
    for begin in range(0, len(documents), 50):
        tasks = []
        for number, path in enumerate(documents[begin:begin + 50], begin):
            priority = 8 if path.endswith("/copyright") else 3
            tasks.append({"url": f"http://127.0.0.1:{target_port}/count", "name": f"document-{number}", "priority": priority,
                          "json": {"number": number, "path": path, "priority": priority}})
        status, answer = api.patiently("POST", "/v1/queues/documents/tasks:batch", {"tasks": tasks})
        errors = [r["error"] for r in answer.get("results", []) if "error" in r and r["error"]["code"] != 409]
        if status != 200 or errors:
            sys.exit(f"a batch was refused: {status} {errors[:1] or answer}")
        stored[0] += len(tasks)
        time.sleep(0.02)


class Progress:
    def __init__(self, total: int):
        self.total = total
        self.terminal = sys.stdout.isatty()
        self.begun = time.monotonic()
        self.shown = 0.0

    def line(self, text: str) -> None:
        print(("\r\033[K" if self.terminal else "") + f"{time.monotonic() - self.begun:5.1f} s  {text}", flush=True)

    def show(self, done: int, text: str) -> None:
        now = time.monotonic()
        if now - self.shown < (0.1 if self.terminal else 2.0):
            return
        self.shown = now
        if self.terminal:
            width = 30
            full = done * width // max(1, self.total)
            print(f"\r\033[K{now - self.begun:5.1f} s  [{'=' * full}{' ' * (width - full)}] {text}", end="", flush=True)
        else:
            self.line(text)


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=2000, help="how many documents at most (2000)")
    parser.add_argument("--seed", type=int, default=7, help="of the failures on purpose (7)")
    options = parser.parse_args()

    documents = find_documents(options.files)
    if not documents:
        sys.exit(f"there are no text documents in {DOCUMENTS}")
    folder = Path(tempfile.mkdtemp(prefix="deferd-demo-"))
    progress = Progress(len(documents))
    server = Server(folder)
    took = server.start()
    progress.line(f"deferd is up after {took * 1000:.0f} ms on 127.0.0.1:{server.port}, data in {folder}/data")
    api = Api(server.port)
    for queue, settings in (
        ("documents", {"rate": RATE, "burst": 20, "concurrency": 16, "timeout": f"{ATTEMPT_TIMEOUT}s",
                       "retry": {"max_attempts": -1, "min_backoff": "0.1s", "max_backoff": "1s"}}),
        ("results", {"mode": "pull"}),
    ):
        status, answer = api.call("PUT", f"/v1/queues/{queue}", settings)
        if status not in (200, 201):
            sys.exit(f"queue {queue}: {answer}")
    target = CountingTarget(api, random.Random(options.seed))
    workers = Workers(api)
    stored = [0]
    producer = threading.Thread(target=produce, args=(api, target.server_address[1], documents, stored), daemon=True)
    producer.start()
    few = f" (all that {DOCUMENTS} has)" if len(documents) < options.files else ""
    progress.line(f"{len(documents)} documents{few}; pace {RATE}, 16 at once, copyright files at priority 8, others at 3")

    before_kill: dict = {}
    deadline = time.monotonic() + 55
    try:
        while len(workers.results) < len(documents):
            if time.monotonic() > deadline:
                print(f"\nonly {len(workers.results)} of {len(documents)} results came in time; log: {folder}/deferd.log")
                return 1
            time.sleep(0.01)
            progress.show(len(workers.results), f"{len(workers.results)}/{len(documents)} counted, {stored[0]} added, {target.attempts} attempts")
            if not before_kill and len(workers.results) >= len(documents) // 2:
                _, before_kill = api.call("GET", "/v1/queues/documents/stats")
                server.kill()
                progress.line(f"kill -9 at {len(workers.results)} results; {before_kill['tasks']} documents still in the queue")
                took = server.start()
                _, after = api.patiently("GET", "/v1/queues/documents/stats")
                progress.line(f"deferd is back after {took * 1000:.0f} ms with {after['tasks']} documents")
        # Results can be complete a moment before the last documents end: an attempt that failed late is tried again.
        while api.call("GET", "/v1/queues/documents/stats")[1]["tasks"] or api.call("GET", "/v1/queues/results/stats")[1]["tasks"]:
            if time.monotonic() > deadline:
                print("\nthe queues do not drain")
                return 1
            time.sleep(0.02)
        progress.line(f"all {len(documents)} documents are counted and both queues are empty")
        workers.stop()
        statistics = {queue: api.call("GET", f"/v1/queues/{queue}/stats")[1] for queue in ("documents", "results")}
    finally:
        workers.over.set()
        if server.process.poll() is None:
            stopped = server.stop()

    print("\nStatistics of the server since it came back (those of before the kill in brackets)")
    documents_stats, results_stats = statistics["documents"], statistics["results"]
    execution, delay = documents_stats["execution"], documents_stats["delay"]
    print(f"  documents  attempts {documents_stats['executed_total']} [{before_kill['executed_total']}], "
          f"failed {documents_stats['failed_total']} [{before_kill['failed_total']}], "
          f"ended well {documents_stats['completed_total']} [{before_kill['completed_total']}], "
          f"failure rate {documents_stats['failure_rate'] * 100:.1f} %")
    print(f"             an attempt takes p50 {milliseconds(execution['p50'])}, p95 {milliseconds(execution['p95'])}, "
          f"p99 {milliseconds(execution['p99'])}; due to dispatched (paced) p50 {milliseconds(delay['p50'])}, p99 {milliseconds(delay['p99'])}")
    print(f"  results    acknowledged {results_stats['completed_total']}, due to leased p50 {milliseconds(results_stats['delay']['p50'])}, "
          f"p99 {milliseconds(results_stats['delay']['p99'])}; worker 1 took {workers.by_worker[0]}, worker 2 took {workers.by_worker[1]}")
    print(f"  target     {target.attempts} attempts arrived, {target.failed} failed and {target.hung} hung on purpose; "
          f"{target.repeated} were repeats of a document already counted; {workers.delivered - len(workers.results)} results came twice")
    order = {path: place for place, path in enumerate(workers.results)}
    places = {priority: [order[p] for p, r in workers.results.items() if r["priority"] == priority] for priority in (8, 3)}
    if all(places.values()):
        print("  priority   mean place in the order of results: "
              + ", ".join(f"{sum(of) // len(of)} at priority {priority}" for priority, of in places.items()))

    wrong = []
    for path in documents:
        text = read_document(path)
        words = sum(1 for _ in re.finditer(rb"\S+", text))  # another way to count than the target's
        result = workers.results.get(path)
        if result is None or result["words"] != words or result["bytes"] != len(text):
            wrong.append((path, words, result))
    total = sum(result["words"] for result in workers.results.values())
    raw = sum(result["bytes"] for result in workers.results.values())
    compressed = sum(result["compressed"] for result in workers.results.values())
    print(f"\n{len(workers.results)} documents, {total:,} words, {raw / 1e6:.1f} MB, {compressed / 1e6:.1f} MB compressed, "
          f"in {time.monotonic() - progress.begun:.1f} s")
    if wrong or workers.contradictions or len(workers.results) != len(documents) or stopped != 0:
        print(f"NOT as a direct count says: {len(wrong)} differ, {workers.contradictions} contradict each other, "
              f"exit status {stopped}; first: {wrong[:3]}; the data folder stays in {folder}")
        return 1
    print(f"every one of the {len(documents)} files was counted exactly as a direct count says")
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
