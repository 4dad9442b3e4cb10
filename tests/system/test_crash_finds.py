"""The crash test itself: a server that forgets must not pass it."""

from __future__ import annotations

import subprocess
import sys

from harness import ROOT


def test_a_server_that_forgets_is_found_out(tmp_path):
    ended = subprocess.run([sys.executable, str(ROOT / "tests/crash/crash.py"), "--rounds", "3", "--data", str(tmp_path),
                            "--quiet", "--", "--store", "memory"], capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1, ended.stdout
    assert "VIOLATION" in ended.stdout
