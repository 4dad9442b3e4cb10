"""What calls raise."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ._values import Duration


class DeferdError(Exception):
    """All that this package raises of its own."""


class Unreachable(DeferdError):
    """No answer came. `sent` says whether the server may have carried the call out all the same."""

    def __init__(self, message: str, *, sent: bool):
        super().__init__(message)
        self.sent = sent


class ApiError(DeferdError):
    """The server's refusal, in its words.

    code: the HTTP status. status: its name, "NOT_FOUND". field: the member at fault as a path ("retry.max_attempts"), or "".
    retry_after: seconds after which trying again makes sense, when the server says so.
    """

    def __init__(self, code: int, status: str, message: str, field: str = "", retry_after: float | None = None):
        super().__init__(message)
        self.code = code
        self.status = status
        self.message = message
        self.field = field
        self.retry_after = retry_after


class InvalidArgument(ApiError):
    """Something that was given is wrong; `field` names it."""


class FailedPrecondition(ApiError):
    """Not in this state: a pull call on a push queue, or the other way round."""


class LeaseLost(FailedPrecondition):
    """The lease has ended, or is somebody else's now."""


class Unauthenticated(ApiError):
    """The server wants an API key, or does not know this one."""


class PermissionDenied(ApiError):
    """The caller may not."""


class NotFound(ApiError):
    """No such queue or task."""


class AlreadyExists(ApiError):
    """The name of the task is taken, or was not long ago."""


class ResourceExhausted(ApiError):
    """A limit of the queue or the server is reached."""


class Unavailable(ApiError):
    """The server is starting or stopping."""


class ServerError(ApiError):
    """Anything else that is the server's fault, or what stands before it."""


class TaskFailed(DeferdError):
    """A task that was submitted has failed, and its exception cannot be raised as itself here.

    type: the exception's name ("mymodule.OutOfStock"), "" when it is not known. message: its text. traceback: its text, where it was
    raised. reason: "attempts" or "age" (used up), "failed" (never to be tried again), "poison" (its workers died).
    """

    def __init__(self, message: str, *, type: str = "", traceback: str = "", reason: str = ""):
        super().__init__(f"{type}: {message}" if type else message)
        self.type = type
        self.message = message
        self.traceback = traceback
        self.reason = reason


class TaskCrashed(TaskFailed):
    """The process of the task ended without an answer: killed, over one of its limits, or gone with its worker.

    cause: "signalled", "out_of_memory", "cpu_time", "wall_time", "output", "killed", "lease_expired"...
    """

    def __init__(self, message: str, *, cause: str, reason: str = ""):
        super().__init__(message, reason=reason)
        self.cause = cause


class TaskExpired(TaskFailed):
    """The task became older than its queue's task_ttl."""


class WaitingFull(DeferdError):
    """As many calls wait to be added as may; await some of them first."""


class BadSignature(DeferdError):
    """What was to be unpickled is not signed with our key. Nothing of it was looked at."""


class RemoteTraceback(Exception):
    """The `__cause__` of an exception that was raised by a task: the traceback's text, from where it ran."""

    def __init__(self, text: str):
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f'\n"""\n{self.text}"""'


class Retry(Exception):
    """Raised by a task's function: try again after `delay` (text like "5m", seconds or a timedelta; as the queue's backoff says when it
    is None), if attempts are left."""

    def __init__(self, delay: Duration | None = None, message: str = ""):
        super().__init__(message or "to be tried again")
        self.delay = delay


class NeverAgain(Exception):
    """Raised by a task's function: it has failed, and trying again is of no use."""


_BY_STATUS: dict[str, type[ApiError]] = {
    "INVALID_ARGUMENT": InvalidArgument,
    "FAILED_PRECONDITION": FailedPrecondition,
    "UNAUTHENTICATED": Unauthenticated,
    "PERMISSION_DENIED": PermissionDenied,
    "NOT_FOUND": NotFound,
    "ALREADY_EXISTS": AlreadyExists,
    "RESOURCE_EXHAUSTED": ResourceExhausted,
    "UNAVAILABLE": Unavailable,
}
_CONFLICT = 409


def api_error(detail: Mapping[str, Any], retry_after: float | None = None) -> ApiError:
    """Of {"code": 404, "status": "NOT_FOUND", "message": "..."}."""
    code = int(detail.get("code", 0))
    status = str(detail.get("status", ""))
    kind = _BY_STATUS.get(status, ServerError)
    if kind is FailedPrecondition and code == _CONFLICT:
        kind = LeaseLost
    return kind(code, status, str(detail.get("message", "")), str(detail.get("field", "")), retry_after)
