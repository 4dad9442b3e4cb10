"""The warm handler that `deferd-worker --python MODULE` starts (docs/reference/warm-handlers.md): its modules are loaded once, and
each task runs in a fork of it, in a sandbox."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Sequence

from ._functions import registry
from ._run import run

_NEVER_AGAIN = 65


class _Task(ctypes.Structure):
    _fields_ = [
        ("queue", ctypes.c_char_p), ("id", ctypes.c_char_p), ("name", ctypes.c_char_p), ("attempt", ctypes.c_uint64),
        ("keep_result", ctypes.c_int), ("payload", ctypes.c_void_p), ("payload_size", ctypes.c_size_t),
    ]


def serve(modules: Sequence[str], library: str) -> None:
    """Returns in the loaded program, when the worker needs it no more; the processes of tasks end here."""
    registry.load(modules)
    lib = ctypes.PyDLL(library, use_errno=True)
    task = _Task()
    gc.collect()
    gc.freeze()  # a fork's collections leave these pages shared
    ctypes.pythonapi.PyOS_BeforeFork()
    outcome = lib.deferd_warm_next(ctypes.byref(task))
    (ctypes.pythonapi.PyOS_AfterFork_Child if outcome == 1 else ctypes.pythonapi.PyOS_AfterFork_Parent)()
    if outcome == 1:
        _run_task(lib, task)
    if outcome != 0:
        raise OSError(ctypes.get_errno(), f"deferd_warm_next: {os.strerror(ctypes.get_errno())}")


def _run_task(lib: ctypes.PyDLL, task: _Task) -> None:
    code = 1
    try:
        result_to = os.dup(1)
        os.dup2(2, 1)  # what the function prints belongs to the log
        answer = run(ctypes.string_at(task.payload, task.payload_size), task.attempt)
        if answer.error is not None:
            error = answer.error.encode()
            lib.deferd_warm_error(error, ctypes.c_size_t(len(error)))
        if answer.result is not None and task.keep_result:
            lib.deferd_warm_content_type(b"application/json")
            with os.fdopen(result_to, "wb") as out:
                out.write(answer.result.encode())
        code = {"done": 0, "never": _NEVER_AGAIN, "retry": 1}[answer.verdict]
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)  # taking an interpreter down costs more than most tasks
