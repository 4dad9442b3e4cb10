"""The tokens that pushes carry, as handlers verify them with Google's own helpers; and access tokens from a metadata server that the
test plays.
"""

from __future__ import annotations

import base64
import datetime
import http.server
import json
import threading
import time
import urllib.parse
import urllib.request

import pytest
from conftest import World
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from google.auth import exceptions as auth_exceptions
from google.auth import jwt
from google.auth.transport import requests
from google.oauth2 import id_token
from harness import Server, Target, wait_until

EMAIL = "tasks@my-project.iam.gserviceaccount.com"


class MetadataServer:
    """Gives each account and scope a token of its own; `asked` has the paths."""

    def __init__(self):
        self.asked: list[str] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                assert self.headers["Metadata-Flavor"] == "Google"
                outer.asked.append(self.path)
                url = urllib.parse.urlsplit(self.path)
                account = urllib.parse.unquote(url.path.split("/")[-2])
                if account != EMAIL:
                    self.send_error(404)
                    return
                body = json.dumps({"access_token": f"ya29.{urllib.parse.parse_qs(url.query)['scopes'][0]}",
                                   "expires_in": 3599, "token_type": "Bearer"}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture(scope="module")
def metadata():
    server = MetadataServer()
    yield server
    server.server.shutdown()


@pytest.fixture(scope="module")
def world(tmp_path_factory, request, metadata):
    server = Server(tmp_path_factory.mktemp("deferd"), "--oauth-metadata-url", metadata.url).start()
    target = Target()
    yield World(server, target, request.config.getoption("--transport"))
    target.close()
    server.kill()


@pytest.fixture
def pushed(world):
    """The value of Authorization of a push to `path`, whose task has the given members of an HttpRequest."""
    def push(path: str, **http_request) -> str:
        queue = world.make_queue(world.v2)
        world.v2.create_task(parent=queue.name, task={"http_request": {"url": world.target.url(path), **http_request}})
        return world.arrived(path)[-1].headers["authorization"]

    return push


def bearer(value: str) -> str:
    kind, _, token = value.partition(" ")
    assert kind == "Bearer"
    return token


def get(world, path: str):
    with urllib.request.urlopen(f"http://127.0.0.1:{world.deferd.port}{path}") as answer:
        return json.load(answer)


def test_googles_helpers_accept_an_identity_token(world, pushed):
    """CT-170, CT-171, CT-172, CT-173: all claims, by the certificates that this server shows."""
    audience = "https://shop.example.com/tasks"
    token = bearer(pushed("/verified", headers={"Authorization": "Basic b2xk"},
                          oidc_token={"service_account_email": EMAIL, "audience": audience}))
    issuer = f"http://127.0.0.1:{world.deferd.port}"
    claims = id_token.verify_token(token, requests.Request(), audience=audience, certs_url=f"{issuer}/oauth2/v1/certs")
    assert claims == jwt.decode(token, certs=get(world, "/oauth2/v1/certs"), audience=audience)
    assert claims["iss"] == issuer
    assert claims["aud"] == audience
    assert claims["email"] == EMAIL
    assert claims["email_verified"] is True
    assert claims["sub"] == claims["azp"]
    assert claims["sub"].isdecimal()
    assert claims["exp"] == claims["iat"] + 3600
    assert abs(claims["iat"] - time.time()) < 60
    with pytest.raises(auth_exceptions.InvalidValue):
        id_token.verify_token(token, requests.Request(), audience="https://other.example.com",
                              certs_url=f"{issuer}/oauth2/v1/certs")
    header = jwt.decode_header(token)
    assert (header["alg"], header["typ"]) == ("RS256", "JWT")


def test_the_audience_is_the_url_unless_given(world, pushed):
    """CT-171: all of it, with its query."""
    token = bearer(pushed("/here?order=17&x=%20", oidc_token={"service_account_email": EMAIL}))
    assert jwt.decode(token, verify=False)["aud"] == world.target.url("/here?order=17&x=%20")


def test_the_key_set_verifies_too_and_survives_a_restart(world, pushed):
    """CT-170, CT-174: by way of the discovery document."""
    token = bearer(pushed("/before", oidc_token={"service_account_email": EMAIL}))
    world.deferd.kill()
    world.deferd.start()
    issuer = f"http://127.0.0.1:{world.deferd.port}"
    document = get(world, "/.well-known/openid-configuration")
    assert document["issuer"] == issuer
    (key,) = get(world, document["jwks_uri"].removeprefix(issuer))["keys"]
    assert (key["kty"], key["alg"], key["use"]) == ("RSA", "RS256", "sig")
    head, claims, signature = token.split(".")
    assert key["kid"] == jwt.decode_header(token)["kid"]

    def decode(text: str) -> bytes:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    numbers = rsa.RSAPublicNumbers(*(int.from_bytes(decode(key[name]), "big") for name in "en"))
    numbers.public_key().verify(decode(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())


def test_an_access_token_comes_from_the_metadata_server(pushed, metadata):
    default = "https://www.googleapis.com/auth/cloud-platform"
    assert bearer(pushed("/default", oauth_token={"service_account_email": EMAIL})) == f"ya29.{default}"
    asked = len(metadata.asked)
    assert bearer(pushed("/again", oauth_token={"service_account_email": EMAIL})) == f"ya29.{default}"
    assert len(metadata.asked) == asked, "kept"
    scope = "https://www.googleapis.com/auth/pubsub"
    assert bearer(pushed("/scope", oauth_token={"service_account_email": EMAIL, "scope": scope})) == f"ya29.{scope}"


def test_a_push_without_its_token_is_not_sent(world):
    """The task says that it was not sent, the log why."""
    queue = world.make_queue(world.v2, retry_config={"min_backoff": datetime.timedelta(hours=1)})
    name = world.v2.create_task(parent=queue.name, task={"http_request": {
        "url": world.target.url("/never"), "oauth_token": {"service_account_email": "nobody@example.com"}}}).name

    def failed():
        task = world.v2.get_task(name=name)
        return task.dispatch_count == 1 and "response_status" in task.last_attempt and task

    task = wait_until(failed, "the attempt to fail")
    assert task.response_count == 0
    assert "the token for it cannot be had" in task.last_attempt.response_status.message
    assert "answered 404 for the account nobody@example.com" in world.deferd.log()
    assert not [push for push in world.target.pushes if push.path == "/never"]


def test_a_task_shows_what_it_asks_for_and_no_token(world):
    """CT-092."""
    queue = world.make_queue(world.v2)
    world.v2.pause_queue(name=queue.name)
    made = world.v2.create_task(parent=queue.name, task={"http_request": {
        "url": world.target.url("/shown"), "oidc_token": {"service_account_email": EMAIL, "audience": "a"}}})
    world.v2.run_task(name=made.name)
    world.arrived("/shown")
    assert made.http_request.oidc_token.service_account_email == EMAIL
    assert made.http_request.oidc_token.audience == "a"
    assert "Authorization" not in made.http_request.headers
