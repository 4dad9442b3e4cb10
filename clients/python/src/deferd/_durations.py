"""Durations: text ("1m30s"), seconds or a timedelta. Nothing more is loaded for them where tasks run."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._values import Duration

_PARTS = re.compile(r"([0-9.]+)(ms|us|[wdhms]?)")
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


def duration(value: Duration) -> str | float:
    """As the server takes it."""
    return value if isinstance(value, (str, int, float)) else value.total_seconds()


def seconds(value: Duration) -> float:
    value = duration(value)
    if not isinstance(value, str):
        return float(value)
    return sum(float(number) * _UNITS.get(unit, 1.0) for number, unit in _PARTS.findall(value))
