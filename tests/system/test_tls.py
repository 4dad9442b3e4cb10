"""https targets: verified against the system's roots and ca_file, and not reached when that fails."""

from __future__ import annotations

import ssl
import subprocess

import pytest
from harness import clean_environment, make_certificate, wait_until


@pytest.fixture
def certificate(tmp_path):
    """(the file of a certificate, a server's context with it)."""
    cert, key = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return cert, context


def test_a_target_that_ca_file_vouches_for_is_reached(make_server, make_target, certificate):
    cert, context = certificate
    target = make_target(tls=context)
    server = make_server("--ca-file", str(cert))
    server.client.add("default", url=target.url("/x"), body="over TLS")
    wait_until(lambda: target.pushes, "the push")
    assert target.pushes[0].body == b"over TLS"


def test_a_target_that_nobody_vouches_for_sees_no_request(client, make_target, certificate):
    target = make_target(tls=certificate[1])
    client.put("/v1/queues/q", {"retry": {"max_attempts": 1}})
    client.add("q", url=target.url("/x"), body="not for strangers")
    wait_until(lambda: client.stats("q")["dropped_total"] == 1, "the attempt to fail")
    assert target.pushes == []


def test_a_certificate_for_another_name_is_refused(make_server, make_target, certificate):
    cert, context = certificate
    target = make_target(tls=context)
    server = make_server("--ca-file", str(cert))
    server.client.put("/v1/queues/q", {"retry": {"max_attempts": 1}})
    server.client.add("q", url=f"https://127.0.0.2:{target.port}/", body="x")
    wait_until(lambda: server.client.stats("q")["dropped_total"] == 1, "the attempt to fail")
    assert target.pushes == []


def test_a_ca_file_that_cannot_be_read_is_refused_at_the_start(make_server, tmp_path):
    server = make_server("--ca-file", str(tmp_path / "missing.pem"), start=False)
    ended = subprocess.run(server.command(), capture_output=True, text=True, timeout=30, env=clean_environment())
    assert ended.returncode != 0
    assert "missing.pem" in ended.stderr
