"""Processes of a benchmark: started on free loopback ports, stopped by their own pid, and gone when the harness is."""

import ctypes
import json
import os
import signal
import socket
import subprocess
import time


class Missing(Exception):
    """Something that a row needs is not on this machine. The row says so; the others run."""


class Failed(Exception):
    """A program did not do what it was started for."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def die_with_parent():
    """In the child: a harness that is killed leaves no server behind."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


class Server:
    """A running server. Its output goes to a file in its folder, whose end is shown when it does not come up."""

    def __init__(self, command, folder, port=None, environment=None):
        self.folder = folder
        self.port = port
        self.log = os.path.join(folder, "output.log")
        self.started_us = time.time_ns() // 1000
        with open(self.log, "ab") as log:
            try:
                self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                cwd=folder, preexec_fn=die_with_parent,
                                                env={**os.environ, **(environment or {})})
            except FileNotFoundError:
                raise Missing(f"{command[0]} is not installed") from None

    @property
    def pids(self):
        """The process and its direct children (nginx serves from one)."""
        pid = self.process.pid
        try:
            with open(f"/proc/{pid}/task/{pid}/children") as children:
                return [pid, *map(int, children.read().split())]
        except OSError:
            return [pid]

    def wait_for_port(self, seconds=30):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.005)
        self.fail("does not listen")

    def fail(self, what):
        with open(self.log, errors="replace") as log:
            end = log.read()[-2000:]
        name = os.path.basename(self.process.args[0])
        raise Failed(f"{name} {what} (exit code {self.process.poll()}); the end of its output:\n{end}")

    def rss_bytes(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        return 0

    def resting_rss_bytes(self):
        """Resident memory once what a load needed for itself has been given back: when it has not fallen for 3 s."""
        lowest, since = self.rss_bytes(), time.monotonic()
        end = since + 20
        while time.monotonic() < min(since + 3, end):
            time.sleep(0.1)
            now = self.rss_bytes()
            if now < lowest * 0.99:
                lowest, since = now, time.monotonic()
        return lowest

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.kill()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def run_json(command, timeout, cwd=None, core=None, environment=None):
    """Runs a program that prints one line of JSON; on one core, if `core` is given."""
    def in_child():
        die_with_parent()
        if core is not None:
            os.sched_setaffinity(0, {core})

    try:
        done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=timeout, cwd=cwd, preexec_fn=in_child,
                              env={**os.environ, **(environment or {})})
    except FileNotFoundError:
        raise Missing(f"{command[0]} is not there; build it first (./dev build)") from None
    except subprocess.TimeoutExpired:
        raise Failed(f"{os.path.basename(str(command[0]))} did not end within {timeout} s") from None
    if done.returncode != 0:
        raise Failed(f"{os.path.basename(str(command[0]))}: {(done.stderr or done.stdout).strip()[-1000:]}")
    return json.loads(done.stdout)
