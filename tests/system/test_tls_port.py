"""The server's own TLS: real clients on the one port, a certificate renewed while it runs, files that cannot be used."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess

import pytest
from harness import DEFER, clean_environment, make_certificate, wait_until


@pytest.fixture
def certificate(tmp_path):
    return make_certificate(tmp_path / "tls")


@pytest.fixture
def server(make_server, certificate):
    cert, key = certificate
    return make_server("--tls-cert", str(cert), "--tls-key", str(key), tls=trust(cert))


def trust(cert) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(cert))


def curl(*arguments: str) -> str:
    return subprocess.run(["curl", "-sS", *arguments], capture_output=True, text=True, timeout=30, check=True).stdout


def certificate_of(server) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw, context.wrap_socket(raw) as tls:
        return tls.getpeercert(binary_form=True)


def der(cert) -> bytes:
    return ssl.PEM_cert_to_DER_cert(cert.read_text())


def test_a_task_is_added_and_pushed(server, target):
    server.client.add("default", url=target.url("/x"), body="came by TLS")
    wait_until(lambda: target.pushes, "the push")
    assert target.pushes[0].body == b"came by TLS"


def test_curl_offers_http2_too_and_gets_http1(server, certificate):
    answer = curl("--http2", "--cacert", str(certificate[0]), "-w", " %{http_version} %{ssl_verify_result}",
                  f"https://localhost:{server.port}/readyz")
    assert answer.endswith(" 1.1 0")


def test_plain_text_is_told_to_use_https(server):
    assert "this address speaks TLS; use https" in curl(f"http://127.0.0.1:{server.port}/readyz")


def test_plain_text_may_be_spoken_beside_it(make_server, certificate):
    cert, key = certificate
    server = make_server("--tls-cert", str(cert), "--tls-key", str(key), "--tls-plaintext", "true")
    server.client.get("/v1/queues")
    assert "default" in curl("--cacert", str(cert), f"https://127.0.0.1:{server.port}/v1/queues")


def test_defer_speaks_it(server, certificate, tmp_path):
    def defer(*arguments: str, given: str = "") -> subprocess.CompletedProcess:
        return subprocess.run([str(DEFER), "--url", f"https://localhost:{server.port}", *arguments],
                              input=given, capture_output=True, text=True, timeout=60, env=clean_environment())

    trusted = defer("--ca", str(certificate[0]), "queues", "ls", "--json")
    assert trusted.returncode == 0, trusted.stderr
    assert '"default"' in trusted.stdout
    # Page after page over one connection.
    many = "".join('{"url": "http://127.0.0.1:9/", "delay": "1h"}\n' for _ in range(1500))
    assert defer("--ca", str(certificate[0]), "batch", "default", given=many).returncode == 0
    assert len(defer("--ca", str(certificate[0]), "tasks", "ls", "default", "--json").stdout.splitlines()) == 1500
    stranger = defer("queues", "ls")
    assert stranger.returncode == 3
    assert "certificate is not to be trusted" in stranger.stderr
    assert "--ca" in stranger.stderr
    nonsense = defer("--ca", str(tmp_path / "none.pem"), "queues", "ls")
    assert nonsense.returncode == 3
    assert "none.pem" in nonsense.stderr


def test_a_certificate_is_renewed_while_the_server_runs(server, certificate):
    cert, key = certificate
    before = der(cert)
    assert certificate_of(server) == before
    server.client.get("/v1/queues")  # a connection that stays open

    make_certificate(cert.parent, "renewed")
    after = der(cert)
    assert after != before
    os.kill(server.process.pid, signal.SIGHUP)
    wait_until(lambda: certificate_of(server) == after, "the new certificate")
    server.client.get("/v1/queues")

    key.write_text("half a file")
    os.kill(server.process.pid, signal.SIGHUP)
    wait_until(lambda: "reload.failed" in server.log(), "the refusal in the log")
    assert "tls_key: " + str(key) + ": holds no private key in PEM" in server.log()
    assert certificate_of(server) == after


@pytest.mark.parametrize("text, words", [
    (None, "cert.pem: No such file or directory"),
    ("no PEM", "cert.pem: holds no certificate in PEM"),
    ("", "cert.pem: is empty"),
])
def test_files_that_cannot_be_used_are_refused_at_the_start(make_server, certificate, text, words):
    cert, key = certificate
    cert.unlink() if text is None else cert.write_text(text)
    server = make_server("--tls-cert", str(cert), "--tls-key", str(key), start=False)
    ended = subprocess.run(server.command(), capture_output=True, text=True, timeout=30, env=clean_environment())
    assert ended.returncode == 1
    assert "tls_cert: " + str(cert.parent) in ended.stderr
    assert words in ended.stderr


def test_stopping_ends_connections_in_order(server):
    server.client.get("/v1/queues")
    assert server.stop() == 0
