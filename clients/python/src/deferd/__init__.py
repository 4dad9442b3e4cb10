"""Client of deferd, a durable task queue server."""

import importlib
from typing import TYPE_CHECKING, Any

from ._models import (
    Affected,
    Attempt,
    Changes,
    CronJob,
    DeadTask,
    LeaseResult,
    NewTask,
    Outcome,
    Outcomes,
    Page,
    Queue,
    QueueStats,
    Report,
    Task,
    Usage,
)
from .codecs import Codec, Pickle, register_codec
from .errors import (
    AlreadyExists,
    ApiError,
    BadSignature,
    DeferdError,
    FailedPrecondition,
    InvalidArgument,
    LeaseLost,
    NeverAgain,
    NotFound,
    PermissionDenied,
    RemoteTraceback,
    ResourceExhausted,
    Retry,
    ServerError,
    TaskCrashed,
    TaskExpired,
    TaskFailed,
    Unauthenticated,
    Unavailable,
    Unreachable,
    WaitingFull,
)
from .tasks import TaskFunction, task

if TYPE_CHECKING:
    from .aio import AsyncClient
    from .aio_executor import AsyncExecutor
    from .client import Client
    from .executor import Executor, TaskFuture, default_executor, set_default_executor

# What brings an HTTP client along is loaded when it is first asked for: a worker is forked for each task, and each megabyte that it
# never uses costs every fork.
_LOADED_LATER = {
    "AsyncClient": "aio", "AsyncExecutor": "aio_executor", "Client": "client", "Executor": "executor", "TaskFuture": "executor",
    "default_executor": "executor", "set_default_executor": "executor",
}


def __getattr__(name: str) -> Any:
    if name not in _LOADED_LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f".{_LOADED_LATER[name]}", __name__), name)
    return value


__all__ = [
    "Affected",
    "AlreadyExists",
    "ApiError",
    "AsyncClient",
    "AsyncExecutor",
    "Attempt",
    "BadSignature",
    "Changes",
    "Client",
    "Codec",
    "CronJob",
    "DeadTask",
    "DeferdError",
    "Executor",
    "FailedPrecondition",
    "InvalidArgument",
    "LeaseLost",
    "LeaseResult",
    "NeverAgain",
    "NewTask",
    "NotFound",
    "Outcome",
    "Outcomes",
    "Page",
    "PermissionDenied",
    "Pickle",
    "Queue",
    "QueueStats",
    "RemoteTraceback",
    "Report",
    "ResourceExhausted",
    "Retry",
    "ServerError",
    "Task",
    "TaskCrashed",
    "TaskExpired",
    "TaskFailed",
    "TaskFunction",
    "TaskFuture",
    "Unauthenticated",
    "Unavailable",
    "Unreachable",
    "Usage",
    "WaitingFull",
    "default_executor",
    "register_codec",
    "set_default_executor",
    "task",
]
