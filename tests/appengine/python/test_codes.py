"""What each error code is in Python. Most of them deferd answers in other tests; here a scripted server answers them all, so that
the table which our codes were chosen by is known to be the SDK's."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from google.appengine.api import datastore_errors, taskqueue
from google.appengine.ext.remote_api import remote_api_bytes_pb2 as remote_api
from google.appengine.runtime import apiproxy_errors
from sdk import point_sdk_at, register

CLASSES = {
    1: taskqueue.UnknownQueueError, 2: taskqueue.TransientError, 3: taskqueue.InternalError, 4: taskqueue.TaskTooLargeError,
    5: taskqueue.InvalidTaskNameError, 6: taskqueue.InvalidQueueNameError, 7: taskqueue.InvalidUrlError,
    8: taskqueue.InvalidQueueError, 9: taskqueue.PermissionDeniedError, 10: taskqueue.TaskAlreadyExistsError,
    11: taskqueue.TombstonedTaskError, 12: taskqueue.InvalidEtaError, 13: taskqueue.Error, 14: taskqueue.Error,
    15: taskqueue.Error, 16: taskqueue.DuplicateTaskNameError, 18: taskqueue.TooManyTasksError,
    21: taskqueue.InvalidQueueModeError, 23: taskqueue.TransactionalRequestTooLargeError, 25: taskqueue.TaskLeaseExpiredError,
    26: taskqueue.QueuePausedError, 27: taskqueue.InvalidTagError,
}
PLAIN = [19, 20, 22, 24, 28, 29, 99]  # taskqueue.Error, with the number in its text
PLATFORM = {
    1: apiproxy_errors.CallNotFoundError, 2: apiproxy_errors.ArgumentError, 3: apiproxy_errors.RPCFailedError,
    4: apiproxy_errors.OverQuotaError, 5: apiproxy_errors.RequestTooLargeError, 6: apiproxy_errors.CapabilityDisabledError,
    10: apiproxy_errors.CancelledError, 12: apiproxy_errors.DeadlineExceededError,
}


@pytest.fixture(scope="module")
def scripted():
    """Answers every call with scripted["answer"]."""
    script: dict[str, remote_api.Response] = {}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            body = script["answer"].SerializeToString()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    point_sdk_at(server.server_port)
    register()
    yield script
    server.shutdown()
    thread.join()
    server.server_close()


def refused_with(scripted, code: int) -> Exception:
    error = remote_api.ApplicationError(code=code, detail="the detail")
    scripted["answer"] = remote_api.Response(application_error=error)
    with pytest.raises(taskqueue.Error) as caught:
        taskqueue.add(url="/x")
    return caught.value


@pytest.mark.parametrize("code", CLASSES)
def test_codes_with_a_class(scripted, code):
    """GAE-034: exactly this one, and the detail is its text."""
    error = refused_with(scripted, code)
    assert (type(error), str(error)) == (CLASSES[code], "the detail")


@pytest.mark.parametrize("code", PLAIN)
def test_codes_without_a_class(scripted, code):
    """GAE-034: the text has the number."""
    error = refused_with(scripted, code)
    assert (type(error), str(error)) == (taskqueue.Error, f"Application error {code}: the detail")


def test_codes_of_the_datastore(scripted):
    """GAE-034: what a task in a transaction is refused with is an error of both."""
    error = refused_with(scripted, 10001)
    assert isinstance(error, taskqueue.DatastoreError) and isinstance(error, datastore_errors.BadRequestError)
    assert "the detail" in str(error)


@pytest.mark.parametrize("code", PLATFORM)
def test_codes_of_the_platform(scripted, code):
    """GAE-034: no error of the task queue, and its text ends with ours."""
    scripted["answer"] = remote_api.Response(rpc_error=remote_api.RpcError(code=code, detail="the detail"))
    with pytest.raises(PLATFORM[code], match="the detail"):
        taskqueue.add(url="/x")
