"""The warm handler that `deferd-worker --python MODULE` starts (docs/reference/warm-handlers.md): its modules are loaded once, and
each task runs in a fork of it, in a sandbox.

Most of what a short task costs is pages: those of this process, whose tables are copied for each fork, and those that a fork writes to,
if only to count a reference, which are copied one by one. So little is loaded here, and a call that does nothing is made in advance:
the interpreter then has the bytecode of its path as fast as it gets, its caches filled and its libraries bound in pages that all share.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys

from ._functions import registry
from ._run import run
from .codecs import KEY_VARIABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_NEVER_AGAIN = 65
_CODES = {"done": 0, "retry": 1, "never": _NEVER_AGAIN}
_exit = ctypes.pythonapi._exit
# The worker looks for itself whether a result is JSON; its parser goes 32 arrays deep, and takes no half of a surrogate pair.
_SEEN_TO_BE_JSON = 64
_REHEARSALS = 20  # bytecode is specialised after some calls


class _Task(ctypes.Structure):
    _fields_ = [
        ("queue", ctypes.c_char_p), ("id", ctypes.c_char_p), ("name", ctypes.c_char_p), ("attempt", ctypes.c_uint64),
        ("keep_result", ctypes.c_int), ("payload", ctypes.c_char_p), ("payload_size", ctypes.c_size_t),
    ]


def serve(modules: Sequence[str], library: str) -> None:
    """Returns in the loaded program, when the worker needs it no more; the processes of tasks end here."""
    registry.load(modules)
    if KEY_VARIABLE in os.environ:  # calls will be pickles
        import base64  # noqa: F401
        import hmac  # noqa: F401
        import pickle  # noqa: F401
    lib = ctypes.PyDLL(library, use_errno=True)
    next_task, after_fork = lib.deferd_warm_next, ctypes.pythonapi.PyOS_AfterFork_Child
    task = _Task()
    _rehearse(lib)
    gc.collect()
    gc.freeze()  # a fork's collections leave these pages shared
    ctypes.pythonapi.PyOS_BeforeFork()
    outcome = next_task(ctypes.byref(task))
    if outcome == 1:
        after_fork()
        _run_task(lib, task)
    ctypes.pythonapi.PyOS_AfterFork_Parent()
    if outcome != 0:
        raise OSError(ctypes.get_errno(), f"deferd_warm_next: {os.strerror(ctypes.get_errno())}")


def _run_task(lib: ctypes.PyDLL, task: _Task) -> None:
    code = 1
    try:
        code = _answer(lib, task)
    except BaseException:
        sys.excepthook(*sys.exc_info())  # a mistake of ours, into the log
    finally:
        # Taking an interpreter down costs more than most tasks. os._exit() would do the same, and look up the function in each fork.
        _exit(code)


def _answer(lib: ctypes.PyDLL, task: _Task) -> int:
    """The exit code."""
    result_to = os.dup(1)
    os.dup2(2, 1)  # what the function prints belongs to the log
    payload = task.payload  # up to the first zero
    if len(payload) != task.payload_size:
        payload = ctypes.string_at(ctypes.c_void_p.from_buffer(task, _Task.payload.offset), task.payload_size)
    answer = run(payload, task.attempt)
    if answer.error is not None:
        error = answer.error.encode()
        lib.deferd_warm_error(error, ctypes.c_size_t(len(error)))
    if answer.delay is not None:
        lib.deferd_warm_retry_after(ctypes.c_uint64(round(answer.delay * 1000)))
    if answer.result is not None and task.keep_result:
        result = answer.result.encode()
        if len(result) >= _SEEN_TO_BE_JSON or b"\\" in result:
            lib.deferd_warm_content_type(b"application/json")
        written = os.write(result_to, result)
        while written < len(result):
            written += os.write(result_to, result[written:])
    os.close(result_to)
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except Exception:
        pass  # the function closed or replaced them: its business, and no reason to run it again
    return _CODES[answer.verdict]


def _rehearse(lib: ctypes.PyDLL) -> None:
    call = b'{"task":"deferd rehearses","args":[0],"kwargs":{},"max_attempts":1}'
    task = _Task(attempt=1, keep_result=1, payload=call, payload_size=len(call))
    log, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    registry.add("deferd rehearses", lambda value: value)
    for _ in range(_REHEARSALS):
        os.dup2(nowhere, 1)
        _answer(lib, task)
    os.dup2(log, 1)
    os.close(log)
    os.close(nowhere)
    # A fork makes a thread-specific key anew; the functions for it are found once, here.
    key = (ctypes.c_int * 2)()  # a Py_tss_t
    ctypes.pythonapi.PyThread_tss_create(key)
    ctypes.pythonapi.PyThread_tss_delete(key)
