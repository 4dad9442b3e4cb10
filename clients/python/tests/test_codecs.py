"""Pickle, which is asked for by name and is signed; and codecs of one's own."""

from __future__ import annotations

import base64
import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jobs
import pytest
from conftest import SIGNING_KEY

import deferd
from deferd import BadSignature, Client, Executor, Pickle


@pytest.fixture
def pickling(url: str, worker: str) -> Iterator[Executor]:
    with Executor(url=url, queue=worker, codec="pickle", signing_key=SIGNING_KEY) as executor:
        yield executor


class Evil:
    """Leaves a trace where it is unpickled."""

    def __init__(self, path: str):
        self.path = path

    def __reduce__(self) -> Any:
        return jobs.mark, (self.path,)


def test_objects_go_there_and_back(pickling: Executor) -> None:
    assert pickling.submit(jobs.echo, jobs.Box((1, {2: 3}))).result(30) == jobs.Box((1, {2: 3}))
    assert list(pickling.map(jobs.box, [1, 2, 3], chunksize=2)) == [jobs.Box(n) for n in (1, 2, 3)]


def test_exceptions_come_back_as_they_were(pickling: Executor) -> None:
    error = pickling.submit(jobs.fail, "stock").exception(30)
    assert isinstance(error, jobs.OutOfStock)
    assert "Traceback" in str(error.__cause__)
    assert isinstance(pickling.submit(jobs.fail, "picky").exception(30), deferd.TaskFailed), "a pickle that cannot be read is told by its text"


def test_a_pickle_without_our_signature_is_refused_before_it_is_looked_at(client: Client, worker: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    arguments = {"args": [Evil(str(trace))], "kwargs": {}}
    forged = Pickle("another key of some length").dumps(arguments, "call jobs:echo")
    stolen = Pickle(SIGNING_KEY).dumps(arguments, "call jobs:box")  # signed for another function
    for payload in (forged, stolen, b"\0" * 32 + pickle.dumps(arguments), b"short"):
        body = {"task": "jobs:echo", "codec": "pickle", "arguments": base64.b64encode(payload).decode()}
        outcome = client.get_result(worker, client.add_task(worker, json=body, keep_result="1m"), wait="30s")
        assert outcome.json()["error"]["type"] == "deferd.errors.BadSignature"
        assert outcome.attempts == 1, "it is not tried again"
    assert not trace.exists()


def test_a_forged_result_is_refused(url: str, client: Client, queue: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    with Executor(url=url, queue=queue, codec="pickle", signing_key=SIGNING_KEY) as executor:
        futures = [executor.submit(jobs.echo, n) for n in range(2)]
        forged = Pickle("another key of some length").dumps(Evil(str(trace)), "result of anything")
        replayed = Pickle(SIGNING_KEY).dumps(Evil(str(trace)), "result of another call")
        for value in (forged, replayed):
            (task,) = client.lease_tasks(queue, wait="10s")
            body = json.dumps({"codec": "pickle", "value": base64.b64encode(value).decode()})
            client.ack_tasks(queue, [task], [deferd.Report(result=body, content_type="application/json")])
        for future in futures:
            with pytest.raises(BadSignature):
                future.result(30)
    assert not trace.exists()


def test_a_key_is_given_and_is_no_short_one(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.delenv("DEFERD_SIGNING_KEY", raising=False)
    with Executor(url=url, codec="pickle") as executor, pytest.raises(ValueError, match="DEFERD_SIGNING_KEY"):
        executor.submit(jobs.add, 1)
    with pytest.raises(ValueError, match="has 5 bytes; give 16 or more"):
        Pickle("short")
    with Executor(url=url, codec="yaml") as executor, pytest.raises(ValueError, match="no codec yaml"):
        executor.submit(jobs.add, 1)


def test_a_codec_of_ones_own(url: str, worker: str) -> None:
    with Executor(url=url, queue=worker, codec=jobs.Shouting()) as executor:
        assert executor.submit(jobs.echo, "quiet").result(30) == "QUIET"
