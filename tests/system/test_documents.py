"""What the documents say is true: links lead somewhere, and every command they show runs as shown."""

from __future__ import annotations

import re
import shlex
import subprocess

import pytest
from harness import DEFER, ROOT, clean_environment

DOCUMENTS = sorted(path for pattern in ("*.md", "docs/**/*.md") for path in ROOT.glob(pattern))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    for link in re.findall(r"\]\(([^)#\s]+)", document.read_text()):
        if "://" not in link:
            assert (document.parent / link).exists(), f"{document.relative_to(ROOT)} links to {link}"


def commands(name: str) -> list[list[str]]:
    """Lines of the code blocks of a document that begin with defer, comments and prompts taken off."""
    found = []
    for block in re.findall(r"```\n(.*?)```", (ROOT / name).read_text(), re.DOTALL):
        for line in block.splitlines():
            line = re.sub(r"^\$ |\s+#.*$", "", line)
            if re.match(r"(build/bin/)?defer ", line):
                found.append(shlex.split(line)[1:])
    return found


@pytest.mark.parametrize("name", ["README.md", "docs/guide.md"])
def test_commands_run_as_shown(name, server, client, target):
    lines = commands(name)
    assert lines
    client.put("/v1/queues/mail", {})
    leased: list[str] = []
    for words in lines:
        words = [re.sub(r"^http://127\.0\.0\.1:9000", target.url("").rstrip("/"), word) for word in words]
        if "ID:TOKEN" in words:
            words[words.index("ID:TOKEN")] = leased.pop(0)
        ended = subprocess.run([str(DEFER), "--json", *words], capture_output=True, text=True, timeout=60,
                               env=clean_environment(DEFERD_URL=f"http://127.0.0.1:{server.port}"))
        assert ended.returncode == 0, f"{words}: {ended.stderr}"
        if words[0] == "lease":
            leased += [f"{i}:{t}" for i, t in re.findall(r'"id":"(\d+)".*?"lease_token":"(\w+)"', ended.stdout)]
