"""What calls raise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


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
