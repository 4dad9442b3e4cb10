"""fastapi-cloud-tasks: routes that can be called later. Its own emulator_client() finds deferd."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import pytest
import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Response
from fastapi_cloud_tasks import DelayedRouteBuilder
from fastapi_cloud_tasks.dependencies import CloudTasksHeaders
from fastapi_cloud_tasks.utils import emulator_client
from google.api_core.exceptions import AlreadyExists
from harness import free_port, wait_until
from pydantic import BaseModel

QUEUE = "projects/my-project/locations/us-central1/queues/emails"


class Email(BaseModel):
    subject: str


@dataclass
class Sent:
    to: str
    subject: str
    retries: int
    task: str
    queue: str


class Shop:
    """An application with one delayed route, whose first `failures` calls fail."""

    def __init__(self, deferd_port: int):
        self.port = free_port()
        self.failures = 0
        self.sent: list[Sent] = []
        router = APIRouter(prefix="/delayed", route_class=DelayedRouteBuilder(
            base_url=f"http://127.0.0.1:{self.port}", queue_path=QUEUE, client=emulator_client(host=f"127.0.0.1:{deferd_port}")))

        @router.post("/emails/{to}")
        def send(to: str, email: Email, meta: CloudTasksHeaders = Depends()):
            self.sent.append(Sent(to, email.subject, meta.retry_count, meta.task_name, meta.queue_name))
            return Response(status_code=500 if len(self.sent) <= self.failures else 200)

        self.send = send
        application = FastAPI()
        application.include_router(router)
        self._server = uvicorn.Server(uvicorn.Config(application, port=self.port, log_level="error"))
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        wait_until(lambda: self._server.started, "the application to start")

    def close(self):
        self._server.should_exit = True
        self._thread.join()


@pytest.fixture
def shop(server):
    application = Shop(server.port)
    yield application
    application.close()


def test_a_delayed_route_runs_with_its_arguments(shop, server):
    task = shop.send.delay(to="ann", email=Email(subject="hello"))
    assert wait_until(lambda: shop.sent, "the task") == [Sent("ann", "hello", 0, task.name.split("/")[-1], "emails")]


def test_a_failure_is_tried_again_and_counted(shop):
    shop.failures = 2
    shop.send.delay(to="ann", email=Email(subject="again"))
    wait_until(lambda: len(shop.sent) == 3, "the third attempt")
    assert [sent.retries for sent in shop.sent] == [0, 1, 2]


def test_a_countdown_delays_and_a_task_id_deduplicates(shop):
    later = shop.send.options(countdown=3600, task_id="order-17")
    later.delay(to="ann", email=Email(subject="once"))
    with pytest.raises(AlreadyExists):
        later.delay(to="ann", email=Email(subject="twice"))
    assert shop.sent == []
