"""What the tests expect of answers and errors, in the words of the specification, whatever the transport makes of them."""

from __future__ import annotations

import datetime

import pytest
from google.api_core import exceptions
from google.rpc import code_pb2, status_pb2


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


def tomorrow() -> datetime.datetime:
    return now() + datetime.timedelta(days=1)


def names(items) -> list[str]:
    return [item.name for item in items]


def refused(code: str, text: str, call, *arguments, **named) -> exceptions.GoogleAPICallError:
    """The error of a call that fails with `code` ("NOT_FOUND") and a message that has `text`."""
    with pytest.raises(exceptions.GoogleAPICallError) as caught:
        call(*arguments, **named)
    error = caught.value
    assert code_of(error) == code, error
    assert text in error.message
    return error


def code_of(error: exceptions.GoogleAPICallError) -> str:
    if error.grpc_status_code:
        return error.grpc_status_code.name
    if error.errors and isinstance(error.errors[0], status_pb2.Status):  # of an operation of the asyncio client
        return code_pb2.Code.Name(error.errors[0].code)
    return error.response.json()["error"]["status"]


def links(error: exceptions.GoogleAPICallError) -> list[str]:
    """The descriptions of the links of an error's only detail, a google.rpc.Help."""
    (detail,) = error.details
    if isinstance(detail, dict):  # JSON
        assert detail["@type"] == "type.googleapis.com/google.rpc.Help"
        return [link["description"] for link in detail["links"]]
    assert detail.DESCRIPTOR.full_name == "google.rpc.Help"
    return [link.description for link in detail.links]
