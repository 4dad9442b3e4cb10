"""Google's v2 client over TLS on the one port, and what curl and REST get there at the same time."""

from __future__ import annotations

import json
import ssl
import subprocess

import grpc
import pytest
from google.api_core import exceptions
from google.cloud import tasks_v2
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcTransport
from harness import Server, make_certificate, wait_until

PARENT = "projects/my-project/locations/us-central1"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def server(certificate, tmp_path_factory):
    cert, key = certificate
    server = Server(tmp_path_factory.mktemp("deferd"), "--tls-cert", str(cert), "--tls-key", str(key),
                    tls=ssl.create_default_context(cafile=str(cert)))
    yield server.start()
    server.kill()


def channel_to(server, authority):
    return grpc.secure_channel(f"localhost:{server.port}", grpc.ssl_channel_credentials(authority))


def test_tasks_are_made_and_pushed(server, certificate, world):
    channel = channel_to(server, certificate[0].read_bytes())
    client = tasks_v2.CloudTasksClient(transport=CloudTasksGrpcTransport(channel=channel))
    queue = client.create_queue(parent=PARENT, queue={"name": f"{PARENT}/queues/tls"})
    body = bytes(range(256)) * 3000
    client.create_task(parent=queue.name, task={"http_request": {"url": world.target.url("/by-tls"), "body": body}})
    assert world.arrived("/by-tls")[0].body == body
    for _ in range(200):
        client.get_queue(name=queue.name)

    shown = subprocess.run(["curl", "-sS", "--cacert", str(certificate[0]), f"https://localhost:{server.port}/v2/{queue.name}"],
                           capture_output=True, text=True, timeout=30, check=True).stdout
    assert json.loads(shown)["name"] == queue.name
    channel.close()
    wait_until(lambda: server.client.get("/healthz"), "the server to be well")


def test_a_client_that_does_not_trust_us_sends_nothing(server, world, tmp_path):
    stranger, _ = make_certificate(tmp_path)
    client = tasks_v2.CloudTasksClient(
        transport=CloudTasksGrpcTransport(channel=channel_to(server, stranger.read_bytes())))
    with pytest.raises(exceptions.ServiceUnavailable):
        client.get_queue(name=f"{PARENT}/queues/tls", timeout=5, retry=None)


def test_plain_text_is_refused(server):
    with grpc.insecure_channel(f"localhost:{server.port}") as channel:
        client = tasks_v2.CloudTasksClient(transport=CloudTasksGrpcTransport(channel=channel))
        with pytest.raises(exceptions.ServiceUnavailable):
            client.get_queue(name=f"{PARENT}/queues/tls", timeout=5, retry=None)
