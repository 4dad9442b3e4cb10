"""What the package loads, and when."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import deferd


def test_public_names_are_the_same_for_type_checkers_and_at_run_time() -> None:
    tree = ast.parse(Path(deferd.__file__).read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 1]
    assert {f"{node.module}.{alias.asname}" for node in imports for alias in node.names} == {
        f"{home}.{name}" for home, names in deferd._HOMES.items() for name in names}
    assert all(getattr(deferd, name) is not None for name in deferd.__all__)


def test_what_the_processes_of_tasks_are_forked_from_has_loaded_little() -> None:
    heavy = {"asyncio", "argparse", "datetime", "dataclasses", "hashlib", "httpx", "inspect", "logging", "pickle", "threading", "typing"}
    script = f"import sys; import deferd._warm; print(*sorted({heavy} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-S", "-c", script], capture_output=True, text=True, timeout=60, check=True,
                           env={"PYTHONPATH": str(Path(deferd.__file__).parents[1])})
    assert ended.stdout.split() == []
