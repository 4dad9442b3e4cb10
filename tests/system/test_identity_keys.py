"""The keys of identity tokens: made when needed, kept, refused when damaged; and what a verifier is told."""

from __future__ import annotations

import json
import ssl
import subprocess
import urllib.request

from harness import clean_environment

KEY_SET, CERTIFICATES, DISCOVERY = "/.well-known/jwks.json", "/oauth2/v1/certs", "/.well-known/openid-configuration"


def test_keys_are_made_when_needed_and_outlive_a_kill(server):
    """CT-174."""
    path = server.data / "oidc_keys.pem"
    assert not path.exists(), "a server that signs nothing needs none"
    (key,) = server.client.get(KEY_SET)["keys"]
    assert (key["alg"], key["use"]) == ("RS256", "sig")
    assert path.stat().st_mode & 0o777 == 0o600
    certificates = server.client.get(CERTIFICATES)
    server.kill()
    server.start()
    assert server.client.get(KEY_SET)["keys"] == [key]
    assert server.client.get(CERTIFICATES) == certificates


def test_a_damaged_file_of_keys_is_refused_at_the_start(server):
    server.client.get(KEY_SET)
    server.stop()
    path = server.data / "oidc_keys.pem"
    path.write_text(path.read_text()[:-300])
    ended = subprocess.run(server.command(), capture_output=True, text=True, timeout=30, env=clean_environment())
    assert ended.returncode == 1
    assert f"{path} is damaged" in ended.stderr
    assert "remove it and new keys are made" in ended.stderr


def test_a_server_that_forgets_has_keys_of_its_own(make_server):
    server = make_server("--store", "memory")
    first = server.client.get(KEY_SET)["keys"]
    server.kill()
    server.start()
    assert server.client.get(KEY_SET)["keys"] != first
    assert not (server.data / "oidc_keys.pem").exists()


def test_the_issuer_is_where_the_server_listens_or_what_is_set(make_server, tmp_path):
    plain = make_server(name="plain")
    assert plain.client.get(DISCOVERY)["issuer"] == f"http://127.0.0.1:{plain.port}"

    named = make_server("--oidc-issuer", "https://tasks.example.com/deferd", name="named")
    document = named.client.get(DISCOVERY)
    assert document["issuer"] == "https://tasks.example.com/deferd"
    assert document["jwks_uri"] == f"https://tasks.example.com/deferd{KEY_SET}"

    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
                    "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)],
                   check=True, capture_output=True)
    secure = make_server("--tls-cert", str(cert), "--tls-key", str(key), "--tls-plaintext", "true", name="secure")
    issuer = f"https://127.0.0.1:{secure.port}"
    with urllib.request.urlopen(issuer + DISCOVERY, context=ssl.create_default_context(cafile=str(cert))) as answer:
        assert json.load(answer)["issuer"] == issuer


def test_settings_that_cannot_be_are_refused(make_server):
    for flag, value, why in [
        ("--oidc-issuer", "tasks.example.com", "url"),
        ("--oidc-issuer", "https://tasks.example.com/", "ends with a slash"),
        ("--oidc-key-rotation", "1h", "outside 1d to"),
        ("--oauth-metadata-url", "https://metadata.example.com", "speaks http"),
    ]:
        server = make_server(flag, value, start=False)
        ended = subprocess.run(server.command(), capture_output=True, text=True, timeout=30, env=clean_environment())
        assert ended.returncode == 2, flag
        assert why in ended.stderr, ended.stderr
