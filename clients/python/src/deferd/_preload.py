"""Loads the worker's modules where it is imported: in the process that those of tasks are forked from, or where there is no fork in
each of them."""

from __future__ import annotations

import json
import os
import traceback

from ._functions import registry
from ._unsandboxed import MODULES_VARIABLE

failure: str | None = None
try:
    registry.load(json.loads(os.environ[MODULES_VARIABLE]))
except Exception:
    failure = traceback.format_exc()
