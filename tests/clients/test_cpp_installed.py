"""The C++ example and the guide's, built against an installed copy of the library as their users would, and run against a real server."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from harness import ROOT, Server, clean_environment, wait_until  # noqa: E402

PYTHON_LIBRARY = str(ROOT / "clients/python/src")
TEXTS = ["a rose is a rose", "to be or not to be", ""]
COUNTS = "a 2\nis 1\nrose 2\nbe 2\nnot 1\nor 1\nto 2\nfailed: there is nothing to count\n"


ASYNC_HEAD = """#include <deferd/async_client.h>
#include <iostream>
#include "count_words.h"
using namespace std::chrono_literals;
"""


def run(*command: object, **further) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=300, **further)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def build(installed: Path, source: Path, built: Path) -> None:
    run("cmake", "-S", source, "-B", built, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={installed}", "-DCMAKE_CXX_COMPILER=clang++-19",
        "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror -Wpedantic")
    run("cmake", "--build", built, "-j2")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    prefix = tmp_path_factory.mktemp("installed")
    run("cmake", "--install", ROOT / "build", "--component", "client", "--prefix", prefix)
    return prefix


@pytest.fixture(scope="module")
def example(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built programs."""
    built = tmp_path_factory.mktemp("example")
    build(installed, ROOT / "examples/cpp", built)
    return built


@pytest.fixture(scope="module")
def guide(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of the guide's program, as it is shown there."""
    blocks = re.findall(r"^```(?:cpp|cmake)\n(.*?)^```", (ROOT / "docs/guides/cpp.md").read_text(), re.MULTILINE | re.DOTALL)
    source = tmp_path_factory.mktemp("guide")
    for name, text in zip(["count_words.h", "worker.cc", "submit.cc", "CMakeLists.txt", "async.cc"], blocks, strict=True):
        (source / name).write_text((ASYNC_HEAD if name == "async.cc" else "") + text)
    with open(source / "CMakeLists.txt", "a") as project:
        project.write("add_library(async OBJECT async.cc)\ntarget_link_libraries(async PRIVATE deferd::client)\n")
    build(installed, source, source / "built")
    return source / "built"


def worker_command(how: str, example: Path, server: Server) -> list[object]:
    if how == "unsandboxed":
        return [example / "worker", "--unsandboxed", "--queue", "words"]
    return [ROOT / "build/bin/deferd-worker", "--server", f"http://127.0.0.1:{server.port}", "--queue", "words", "--warm", "--",
            example / "worker"]


@pytest.fixture(params=["unsandboxed", "warm"])
def worker(request: pytest.FixtureRequest, example: Path, server: Server) -> Iterator[subprocess.Popen[str]]:
    server.client.put("/v1/queues/words", {"mode": "pull"})
    command = [str(word) for word in worker_command(request.param, example, server)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True,
                               env=clean_environment(DEFERD_URL=f"http://127.0.0.1:{server.port}"))
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        log = process.communicate(timeout=30)[1]
        assert process.returncode == 0, log
    finally:
        process.kill()
        process.wait()


def test_nothing_but_the_library_is_installed(installed: Path) -> None:
    files = {str(file.relative_to(installed)) for file in installed.rglob("*") if file.is_file()}
    assert "include/deferd/client.h" in files
    assert all(name.startswith(("include/deferd/", "lib/cmake/deferd/", "lib/libdeferd_")) for name in files)


def test_the_example_counts_words(example: Path, server: Server, worker: subprocess.Popen[str]) -> None:
    environment = clean_environment(DEFERD_URL=f"http://127.0.0.1:{server.port}")
    assert run(example / "submit", *TEXTS, env=environment) == COUNTS


def test_the_guide_does_as_it_says(guide: Path, server: Server, worker: subprocess.Popen[str]) -> None:
    environment = clean_environment(DEFERD_URL=f"http://127.0.0.1:{server.port}")
    assert run(guide / "submit", env=environment) == "a 2\nis 1\nrose 2\n"


def test_tasks_of_other_languages_are_run(server: Server, worker: subprocess.Popen[str]) -> None:
    payload = {"task": "count_words", "args": ["a rose is a rose", 1], "kwargs": {}}
    task = server.client.add("words", json=payload, keep_result="1h")
    result = server.client.get(f"/v1/queues/words/tasks/{task['id']}/result?wait=30s")
    assert result["state"] == "succeeded"
    assert json.loads(result["result"]["body"]) == {"is": 1, "rose": 2}


PYTHON_CALLER = """
from deferd import Executor, TaskFailed, task

@task(name="count_words", queue="words")
def count_words(text, longer_than=0):
    raise AssertionError("it runs in the worker")

with Executor() as executor:
    print(executor.submit(count_words, "a rose is a rose", longer_than=1).result(60))
    print(list(executor.map(count_words, ["to be", "be"])))
    try:
        executor.submit(count_words, "").result(60)
    except TaskFailed as error:
        print(error)
"""


def test_pythons_executor_runs_what_is_written_in_cpp(server: Server, worker: subprocess.Popen[str]) -> None:
    environment = clean_environment(DEFERD_URL=f"http://127.0.0.1:{server.port}", PYTHONPATH=PYTHON_LIBRARY)
    assert run(sys.executable, "-c", PYTHON_CALLER, env=environment) == (
        "{'is': 1, 'rose': 2}\n[{'be': 1, 'to': 1}, {'be': 1}]\nthere is nothing to count\n")


def test_what_does_not_fit_fails_with_the_reason(server: Server, worker: subprocess.Popen[str]) -> None:
    task = server.client.add("words", json={"task": "count_words", "kwargs": {"txt": "a"}}, keep_result="1h")
    result = server.client.get(f"/v1/queues/words/tasks/{task['id']}/result?wait=30s")
    assert (result["state"], result["reason"]) == ("failed", "failed")
    assert result["error"] == "count_words: txt: there is no such argument"


def test_a_task_that_the_worker_does_not_know_is_given_back(server: Server, worker: subprocess.Popen[str]) -> None:
    task = server.client.add("words", json={"task": "count_lines"}, retry={"min_backoff": "1h"})
    path = f"/v1/queues/words/tasks/{task['id']}"
    shown = wait_until(lambda: (one := server.client.get(path))["state"] == "scheduled" and one, "its release")
    assert shown["history"][0]["error"] == "this worker has no task named count_lines; it has: count_words"
