"""Client of deferd, a durable task queue server."""

import importlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._models import Affected as Affected
    from ._models import Attempt as Attempt
    from ._models import Changes as Changes
    from ._models import CronJob as CronJob
    from ._models import DeadTask as DeadTask
    from ._models import LeaseResult as LeaseResult
    from ._models import NewTask as NewTask
    from ._models import Outcome as Outcome
    from ._models import Outcomes as Outcomes
    from ._models import Page as Page
    from ._models import Queue as Queue
    from ._models import QueueStats as QueueStats
    from ._models import Report as Report
    from ._models import Task as Task
    from ._models import Usage as Usage
    from .aio import AsyncClient as AsyncClient
    from .aio_executor import AsyncExecutor as AsyncExecutor
    from .client import Client as Client
    from .codecs import Codec as Codec
    from .codecs import Pickle as Pickle
    from .codecs import register_codec as register_codec
    from .errors import AlreadyExists as AlreadyExists
    from .errors import ApiError as ApiError
    from .errors import BadSignature as BadSignature
    from .errors import DeferdError as DeferdError
    from .errors import FailedPrecondition as FailedPrecondition
    from .errors import InvalidArgument as InvalidArgument
    from .errors import LeaseLost as LeaseLost
    from .errors import NeverAgain as NeverAgain
    from .errors import NotFound as NotFound
    from .errors import PermissionDenied as PermissionDenied
    from .errors import RemoteTraceback as RemoteTraceback
    from .errors import ResourceExhausted as ResourceExhausted
    from .errors import Retry as Retry
    from .errors import ServerError as ServerError
    from .errors import TaskCrashed as TaskCrashed
    from .errors import TaskExpired as TaskExpired
    from .errors import TaskFailed as TaskFailed
    from .errors import Unauthenticated as Unauthenticated
    from .errors import Unavailable as Unavailable
    from .errors import Unreachable as Unreachable
    from .errors import WaitingFull as WaitingFull
    from .executor import Executor as Executor
    from .executor import TaskFuture as TaskFuture
    from .executor import default_executor as default_executor
    from .executor import set_default_executor as set_default_executor
    from .tasks import TaskFunction as TaskFunction
    from .tasks import task as task

# Each is loaded when it is first asked for: a worker is forked for each task, and what it has loaded and never uses costs every fork.
_HOMES = {
    "_models": (
        "Affected", "Attempt", "Changes", "CronJob", "DeadTask", "LeaseResult", "NewTask", "Outcome", "Outcomes", "Page", "Queue",
        "QueueStats", "Report", "Task", "Usage",
    ),
    "aio": ("AsyncClient",),
    "aio_executor": ("AsyncExecutor",),
    "client": ("Client",),
    "codecs": ("Codec", "Pickle", "register_codec"),
    "errors": (
        "AlreadyExists", "ApiError", "BadSignature", "DeferdError", "FailedPrecondition", "InvalidArgument", "LeaseLost",
        "NeverAgain", "NotFound", "PermissionDenied", "RemoteTraceback", "ResourceExhausted", "Retry", "ServerError", "TaskCrashed",
        "TaskExpired", "TaskFailed", "Unauthenticated", "Unavailable", "Unreachable", "WaitingFull",
    ),
    "executor": ("Executor", "TaskFuture", "default_executor", "set_default_executor"),
    "tasks": ("TaskFunction", "task"),
}
_LOADED_LATER = {name: home for home, names in _HOMES.items() for name in names}
__all__ = list(_LOADED_LATER)


def __getattr__(name: str) -> "Any":
    if name not in _LOADED_LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f".{_LOADED_LATER[name]}", __name__), name)
    return value
