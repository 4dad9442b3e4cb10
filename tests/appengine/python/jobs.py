"""What ext.deferred runs: the tests name these functions, the application executes them.

Each call is noted with its arguments, so that a test can ask the application what really ran.
"""

from __future__ import annotations

import threading

from google.appengine.ext import deferred

_lock = threading.Lock()
_calls: list[list] = []


def told() -> list[list]:
    with _lock:
        return list(_calls)


def note(key: str, *arguments, **named) -> int:
    """Notes the call; how many calls this key has had, this one included."""
    with _lock:
        _calls.append([key, repr(arguments), repr(dict(sorted(named.items())))])
        return sum(call[0] == key for call in _calls)


class Counter:
    """Pickled with the task: a method runs on a copy."""

    def __init__(self, key: str, start: int):
        self.key = key
        self.value = start

    def count(self, by: int, *, note_it: bool = True) -> None:
        self.value += by
        if note_it:
            note(self.key, self.value)

    def __call__(self) -> None:
        note(self.key, "called")


def fail_for_good(key: str) -> None:
    note(key)
    raise deferred.PermanentTaskFailure("no use in trying again")


def fail_until(key: str, call: int) -> None:
    """An ordinary error until the call of that number."""
    if note(key) < call:
        raise RuntimeError(f"{key} fails on purpose")


def fail_quietly_until(key: str, call: int) -> None:
    if note(key) < call:
        raise deferred.SingularTaskFailure("try again")
