"""Client of deferd, a durable task queue server."""

from ._models import Changes, CronJob, LeaseResult, NewTask, Page, Queue, QueueStats, Task
from .aio import AsyncClient
from .client import Client
from .errors import (
    AlreadyExists,
    ApiError,
    DeferdError,
    FailedPrecondition,
    InvalidArgument,
    LeaseLost,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    ServerError,
    Unauthenticated,
    Unavailable,
    Unreachable,
)

__all__ = [
    "AlreadyExists",
    "ApiError",
    "AsyncClient",
    "Changes",
    "Client",
    "CronJob",
    "DeferdError",
    "FailedPrecondition",
    "InvalidArgument",
    "LeaseLost",
    "LeaseResult",
    "NewTask",
    "NotFound",
    "Page",
    "PermissionDenied",
    "Queue",
    "QueueStats",
    "ResourceExhausted",
    "ServerError",
    "Task",
    "Unauthenticated",
    "Unavailable",
    "Unreachable",
]
