"""Functions that the tests submit, and that their workers are started for."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import deferd


class OutOfStock(Exception):
    pass


class Picky(Exception):
    """Cannot be made from its args."""

    def __init__(self, one: str, two: str):
        super().__init__(one + two)


class Box:
    def __init__(self, inside: Any):
        self.inside = inside

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Box) and other.inside == self.inside


def box(inside: Any) -> Box:
    return Box(inside)


def add(a: int, b: int = 1) -> int:
    return a + b


def echo(value: Any) -> Any:
    return value


def multiply(text: str, times: int) -> str:
    return text * times


def sleep(seconds: float, value: Any = None) -> Any:
    time.sleep(seconds)
    return value


def fail(kind: str) -> None:
    if kind == "value":
        raise ValueError("no good", 7)
    if kind == "key":
        raise KeyError("missing")
    if kind == "stock":
        raise OutOfStock("empty")
    if kind == "picky":
        raise Picky("a", "b")
    if kind == "file":
        open("/no/such/file")
    if kind == "exit":
        raise SystemExit(3)
    raise AssertionError(kind)


def die(by: int = signal.SIGKILL) -> None:
    os.kill(os.getpid(), by)
    time.sleep(60)


def mark(path: str, text: str = "x") -> None:
    """Leaves a trace of having run."""
    with open(path, "a") as file:
        file.write(text)


def wait_for_file(path: str, started: str) -> str:
    """Runs until `path` is there; makes `started` first."""
    Path(started).touch()
    while not Path(path).exists():
        time.sleep(0.01)
    return "seen"


def close_output() -> str:
    sys.stdout.close()
    sys.stderr = None
    return "done"


def tell_pid(path: str) -> None:
    mark(path, str(os.getpid()))
    time.sleep(600)


async def later(value: Any) -> Any:
    await asyncio.sleep(0.01)
    return value


def twice_then_right(path: str) -> str:
    mark(path)
    if len(Path(path).read_text()) < 3:
        raise deferd.Retry(0, "not yet")
    return "right"


def retry_in(delay: str) -> None:
    raise deferd.Retry(delay, "later")


def never_again(path: str) -> None:
    mark(path)
    raise deferd.NeverAgain("broken for good")


@deferd.task(name="greet", timeout="30s")
def greeting(name: str, mark: str = "!") -> str:
    return f"hello {name}{mark}"


@deferd.task(timeout=0.2)
def endless() -> None:
    while True:
        time.sleep(0.01)


shout = greeting.with_options(priority=7)
not_mine = os.getpid


class Shouting:
    """A codec."""

    name = "shouting"

    def dumps(self, value: object, context: str) -> bytes:
        return json.dumps(value).upper().encode() if context.startswith("result") else json.dumps(value).encode()

    def loads(self, data: bytes, context: str) -> Any:
        return json.loads(data)


deferd.register_codec(Shouting())


def mark_and_stop(path: str, seconds: float) -> None:
    """Holds the interpreter's lock for as long."""
    mark(path)
    ctypes.PyDLL(None).usleep(ctypes.c_uint(int(seconds * 1e6)))


def submit_more(url: str, queue: str, count: int, add_timeout: float = 60.0) -> None:
    executor = deferd.Executor(url=url, queue=queue, add_timeout=add_timeout)
    for n in range(count):
        executor.submit(add, n)


def say(text: str) -> str:
    print(text)
    return "said"


def hog() -> None:
    data = []
    while True:
        data.append(bytes(range(256)) * 40960)


def spin() -> None:
    while True:
        pass


def folder(path: str) -> list[str]:
    return os.listdir(path)
