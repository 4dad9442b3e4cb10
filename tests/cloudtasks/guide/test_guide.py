"""docs/guides/cloud-tasks.md does what it shows: its commands, its programs and its snippets run as they stand there, but for the
ports, which are the test's own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import guide
import pytest
from harness import DEFER, DEFERD, ROOT, clean_environment, free_port

CHECKOUT = ROOT / "build/cloudtasks/guide/checkout"
EXAMPLE = CHECKOUT / "examples/cloud-tasks"


def bash(commands: list[str], server, **environment: str) -> str:
    """What `commands` print in a checkout; fails when one fails."""
    script = "\n".join(commands).replace("8123", str(server.port))
    bin = f"{DEFER.parent}:{os.environ['PATH']}"
    ended = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=CHECKOUT, capture_output=True, text=True, timeout=60,
                           env=clean_environment(PATH=bin, DEFERD_URL=f"http://127.0.0.1:{server.port}", **environment))
    assert ended.returncode == 0, f"{script}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout


@pytest.mark.parametrize("name", ["orders.py", "orders.js"])
def test_the_example_says_what_is_shown(name, server):
    shutil.copy(ROOT / "examples/cloud-tasks" / name, EXAMPLE)
    commands = [line for line in guide.program(name) if not guide.SET_UP.search(line)]
    (shown,) = [block for block in guide.indented_blocks() if block[0].startswith("order 17 is ")]
    said = bash(commands, server, PORT=str(free_port())).splitlines()
    without_ids = [[re.sub(r"[0-9]{20}", "ID", line) for line in lines] for lines in (said, shown)]
    assert sorted(without_ids[0]) == sorted(without_ids[1])  # a task may run before the next line is printed


def test_the_example_has_the_guides_commands_in_its_own_words():
    shown = guide.indented_blocks((ROOT / "examples/cloud-tasks/README.md").read_text())
    assert [block for block in shown if block[0].startswith("cd ")] == [guide.program("orders.py"), guide.program("orders.js")]


PYTHON_CHECK = """
queue = client.create_queue(parent="projects/p/locations/l", queue={"name": "projects/p/locations/l/queues/q"})
assert client.get_queue(name=queue.name) == queue
"""
NODE_CHECK = """
(async () => {
  const parent = 'projects/p/locations/l';
  const [queue] = await client.createQueue({ parent, queue: { name: `${parent}/queues/q` } });
  const [again] = await client.getQueue({ name: queue.name });
  require('node:assert').deepEqual(again, queue);
  await client.close();
})();
"""


@pytest.mark.parametrize("command, snippet", [
    *((".venv/bin/python -c", block + PYTHON_CHECK) for block in guide.fenced_blocks("python")),
    *(("METADATA_SERVER_DETECTION=none node -e", block + NODE_CHECK) for block in guide.fenced_blocks("js"))])
def test_clients_are_made_as_shown(command, snippet, server):
    bash(["cd examples/cloud-tasks", f'{command} "$SNIPPET"'], server, SNIPPET=snippet.replace("8123", str(server.port)))


@pytest.mark.parametrize("language, file", [("go", "go/guide_test.go"), ("java", "java/GuideTest.java")])
def test_snippets_of_compiled_languages_are_those_of_their_tests(language, file):
    def plain(text: str) -> str:
        return re.sub(r"\s+", " ", text).strip()

    test = plain((ROOT / "tests/cloudtasks" / file).read_text())
    (snippet,) = guide.fenced_blocks(language)
    assert plain(snippet).replace('"localhost:8123"', "deferd") in test


def test_calls_by_hand_are_answered(server):
    calls = [block for block in guide.indented_blocks() if block[0].startswith("curl ")]
    assert calls
    for block in calls:
        bash([re.sub(r"^curl ", "curl -sS --fail-with-body ", line) for line in block], server)


def test_commands_of_defer_run(server):
    bash(["defer queues set orders"], server)
    found = re.findall(r"`(defer [^`]*)`", guide.TEXT)
    assert found
    for command in found:
        bash(["defer --project my-project --location us-central1 queues set orders", command], server)


def test_flags_are_those_of_the_server():
    known = subprocess.run([str(DEFERD), "--help"], capture_output=True, text=True, check=True).stdout
    for code in re.findall(r"`(?:deferd )?(--[^`]*)`|`(deferd [^`]*)`", guide.TEXT):
        for flag in re.findall(r"--[a-z-]+", "".join(code)):
            assert re.search(rf"^  {flag}\b", known, re.MULTILINE), f"{flag} is no flag of deferd"
