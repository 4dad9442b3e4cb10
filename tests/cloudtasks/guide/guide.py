#!/usr/bin/env python3
"""What docs/guides/cloud-tasks.md shows, for those who run it.

    guide.py            prints the commands of the guide that make the example's environments, for environment.sh

Standard library only.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs/guides/cloud-tasks.md").read_text(encoding="utf-8")
SET_UP = re.compile(r"-m venv|npm install")


def indented_blocks(text: str = TEXT) -> list[list[str]]:
    """Blocks of commands or of what they print, line by line, without their indentation."""
    blocks = re.findall(r"(?:^    .*\n)+", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return [[line[4:] for line in block.splitlines()] for block in blocks]


def fenced_blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def program(name: str) -> list[str]:
    """The commands of the block that ends by running `name`."""
    (found,) = [block for block in indented_blocks() if block[-1].endswith(name)]
    return found


if __name__ == "__main__":
    for each in ("orders.py", "orders.js"):
        print("\n".join(line for line in program(each) if line.startswith("cd ") or SET_UP.search(line)))
        print("cd - >/dev/null")
