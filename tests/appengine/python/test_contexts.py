"""An application without the legacy context mode: what the SDK knows of a request is in context variables, not in os.environ."""

from __future__ import annotations

import uuid

import jobs
import pytest
from google.appengine.api import taskqueue
from google.appengine.ext import deferred
from harness import wait_until
from sdk import Application


@pytest.fixture(scope="module")
def app(tmp_path_factory, deferd, ports):
    application = Application(tmp_path_factory.mktemp("application"), *ports, TARGET_APP_LEGACY="0",
                              READ_GAE_CONTEXT_FROM_OS_ENVIRON="false")
    yield application
    application.close()


def test_a_handler_adds_by_the_ticket_in_its_context(app, push):
    """GAE-148: from the request's own header."""
    push.add(taskqueue.Task(url=f"/chain/{push.name}", params={"left": 1}))
    assert app.wait("/work/chained")[0]["form"]["parent"]


def test_deferred_functions_run(app, push):
    """GAE-200: the address that deferred asks for is in the context as well."""
    key = uuid.uuid4().hex
    deferred.defer(jobs.note, key, 1, _queue=push.name)
    wait_until(lambda: app.jobs(key) == [["(1,)", "{}"]], "the function to run")
    wait_until(lambda: push.fetch_statistics().tasks == 0, "the task to end")
