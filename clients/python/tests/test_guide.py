"""docs/guides/python.md does what it shows, but for the addresses and the interpreter, which are the test's own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import DEFERD

from deferd import Client

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs/guides/python.md").read_text()
BLOCKS = [[line[4:] for line in block.splitlines()] for block in
          re.findall(r"(?:^    .*\n)+", re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL), re.MULTILINE)]
BIN = Path(DEFERD).parent


def block(pattern: str) -> list[str]:
    (found,) = [lines for lines in BLOCKS if re.search(pattern, lines[-1])]
    return found


def shell(lines: list[str], url: str) -> subprocess.Popen[str]:
    wanted = [line.replace("../../build/bin", str(BIN)).replace("PATH=$PWD/.venv/bin:$PATH ", "") for line in lines if "-m venv" not in line]
    script = "\n".join([*wanted[:-1], "exec " + wanted[-1]]).replace(".venv/bin/python", sys.executable)
    environment: dict[str, Any] = os.environ | {
        "DEFERD_URL": url, "DEFERD_SERVER": url, "PYTHONPATH": str(ROOT / "clients/python/src"), "PYTHONDONTWRITEBYTECODE": "1",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return subprocess.Popen(["bash", "-euo", "pipefail", "-c", script], cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT)


@pytest.mark.parametrize("worker", ["deferd-worker", "--unsandboxed"])
def test_the_example_says_what_is_shown(url: str, client: Client, worker: str) -> None:
    client.put_queue("python", mode="pull")
    running = shell(block(worker), url)
    try:
        program = shell(block("buy.py"), url)
        said, _ = program.communicate(timeout=60)
        assert said.splitlines() == block("there is no order -1")
        assert program.returncode == 0
    finally:
        running.kill()
        running.wait()
        client.delete_queue("python")


def test_the_first_lines_of_the_projects_readme_run(url: str, client: Client) -> None:
    (snippet,) = [code for code in re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
                  if "executor.submit" in code]
    client.put_queue("python", mode="pull")
    running = shell(block("--unsandboxed"), url)
    try:
        ended = subprocess.run([sys.executable, "-c", snippet], cwd=ROOT / "examples/python", capture_output=True, text=True, timeout=60,
                               env=os.environ | {"DEFERD_URL": url, "PYTHONPATH": str(ROOT / "clients/python/src")})
        assert ended.stdout == "4.5\n", ended.stderr
    finally:
        running.kill()
        running.wait()
        client.delete_queue("python")
