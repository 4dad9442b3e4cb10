"""Instants and bodies, between Python and JSON."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Union

DEFAULT_URL = "http://127.0.0.1:8123"

Duration = Union[str, float, int, timedelta]


def instant(value: datetime) -> str:
    if value.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone; give one, as in datetime.now(timezone.utc)")
    return value.astimezone(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def read_instant(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def body_member(body: str | bytes) -> dict[str, str]:
    if isinstance(body, str):
        return {"body": body}
    return {"body_base64": base64.b64encode(body).decode()}


def read_body(task: Mapping[str, Any]) -> bytes | None:
    if "body_base64" in task:
        return base64.b64decode(task["body_base64"])
    return str(task["body"]).encode() if "body" in task else None


def plain(value: Any) -> Any:
    """The same with every timedelta in it as seconds."""
    if isinstance(value, Mapping):
        return {name: plain(one) for name, one in value.items()}
    return value.total_seconds() if isinstance(value, timedelta) else value
