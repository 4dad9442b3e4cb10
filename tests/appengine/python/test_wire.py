"""What a push of the SDK's tasks looks like line by line, at a target that keeps the bytes."""

from __future__ import annotations

import pytest
from google.appengine.api import taskqueue
from harness import Target, free_port, wait_until


@pytest.fixture(scope="module")
def wire():
    target = Target()
    yield target
    target.close()


@pytest.fixture(scope="module")
def ports(wire) -> tuple[int, int]:
    """The application is the target itself."""
    return free_port(), wire.port


def test_a_header_with_two_values_is_two_lines(deferd, push, wire):
    """GAE-025: in their order."""
    push.add(taskqueue.Task(url="/work/lines", headers={"X-Colour": ["red", "blue"]}))
    (arrived,) = wait_until(lambda: [one for one in wire.pushes if one.path == "/work/lines"], "the task")
    assert [line for line in arrived.lines if line.lower().startswith("x-colour:")] == ["X-Colour: red", "X-Colour: blue"]
