"""Who may call: every door of the real server refuses, lets in, and forgets a key on SIGHUP."""

from __future__ import annotations

import base64
import http.server
import json
import signal
import subprocess
import threading
import time

import pytest
from harness import DEFER, DEFERD, Refused, clean_environment, free_port, wait_until

QUEUE = "projects/default/locations/local/queues"


def new_key(name: str, *flags: str) -> tuple[str, str]:
    """(the key, its lines of access.yaml)"""
    made = subprocess.run([DEFER, "key", "new", name, "--table", *flags], check=True, capture_output=True, text=True,
                          env=clean_environment()).stdout
    return made.splitlines()[0].removeprefix("key: "), made[made.index("  - name:"):]


@pytest.fixture
def access(tmp_path):
    return tmp_path / "access.yaml"


@pytest.fixture
def keys(access):
    """Keys by their role, all in the file."""
    made = {role: new_key(f"{role}@example.com", "--role", role) for role in ("admin", "enqueuer", "viewer")}
    access.write_text("keys:\n" + "".join(lines for _, lines in made.values()))
    return {role: key for role, (key, _) in made.items()}


@pytest.fixture
def guarded(make_server, access, keys):
    return make_server("--access-yaml", str(access))


def status(server, key: str | None, method: str, path: str, body: object = None, **headers: str) -> int:
    server.client.key = key
    return server.client.raw(method, path, None if body is None else json.dumps(body).encode(), headers)[0]


@pytest.mark.parametrize("flags", [["--listen", "0.0.0.0:0"], ["--listen", "[::]:0"], ["--grpc-listen", "0.0.0.0:0"]])
def test_a_server_that_asks_nobody_does_not_listen_to_the_world(tmp_path, flags):
    ended = subprocess.run([DEFERD, "--data", tmp_path / "data", *flags], capture_output=True, text=True, timeout=30,
                           env=clean_environment())
    assert ended.returncode == 2
    assert "can be reached from other machines" in ended.stderr and "--access-yaml" in ended.stderr
    assert not (tmp_path / "data").exists()


def test_unless_it_is_told_so_in_as_many_words(make_server):
    server = make_server("--grpc-listen", f"0.0.0.0:{free_port()}", "--allow-unauthenticated", "true")
    assert "auth.off" in server.log()
    assert status(server, "owner", "GET", "/v1/queues") == 200, "as Firebase's SDKs speak to an emulator"


def test_v1(guarded, keys):
    task = {"url": "http://127.0.0.1:1/", "delay": "1h"}
    assert status(guarded, None, "POST", "/v1/queues/default/tasks", task) == 401
    assert status(guarded, "deferd_wrong", "POST", "/v1/queues/default/tasks", task) == 401
    assert status(guarded, "owner", "POST", "/v1/queues/default/tasks", task) == 401
    assert status(guarded, keys["viewer"], "POST", "/v1/queues/default/tasks", task) == 403
    assert status(guarded, keys["enqueuer"], "POST", "/v1/queues/default/tasks", task) == 201
    assert status(guarded, None, "GET", f"/v1/queues?key={keys['viewer']}") == 200
    assert status(guarded, None, "GET", "/metrics") == 401
    assert status(guarded, keys["enqueuer"], "GET", "/metrics") == 403
    assert status(guarded, keys["viewer"], "GET", "/metrics") == 200
    assert [status(guarded, None, "GET", page) for page in ("/healthz", "/readyz")] == [200, 200]


def test_cloud_tasks_over_rest(guarded, keys):
    """CT-178: and what a refusal says."""
    task = {"task": {"httpRequest": {"url": "http://127.0.0.1:1/"}, "scheduleTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))}}
    for prefix in ("/v2", ""):  # the second as Firebase's SDKs call
        assert status(guarded, None, "POST", f"{prefix}/{QUEUE}/default/tasks", task) == 401
        assert status(guarded, "owner", "POST", f"{prefix}/{QUEUE}/default/tasks", task) == 401
        assert status(guarded, keys["viewer"], "POST", f"{prefix}/{QUEUE}/default/tasks", task) == 403
        assert status(guarded, keys["enqueuer"], "POST", f"{prefix}/{QUEUE}/default/tasks", task) == 200
    guarded.client.key = None
    assert guarded.client.raw("GET", f"/v2/{QUEUE}/default", None, {"x-goog-api-key": keys["viewer"]})[0] == 200
    guarded.client.key = keys["viewer"]
    with pytest.raises(Refused) as refused:
        guarded.client.get(f"/v2/{QUEUE}/default/tasks?responseView=FULL")
    assert refused.value.error["status"] == "PERMISSION_DENIED"
    assert refused.value.error["message"] == (
        'The principal (user or service account) lacks IAM permission "cloudtasks.tasks.fullView" for the resource '
        f'"{QUEUE}/default" (or the resource may not exist).')


def test_app_engines_doors(guarded, keys):
    rest = "/taskqueue/v1beta2/projects/s~default/taskqueues/pull"
    assert status(guarded, keys["admin"], "PUT", "/v1/queues/pull", {"mode": "pull"}) == 201
    assert status(guarded, None, "GET", rest) == 401
    assert status(guarded, keys["enqueuer"], "GET", rest) == 403
    assert status(guarded, keys["viewer"], "GET", rest) == 200
    assert status(guarded, keys["viewer"], "POST", "/api/queue/update?app_id=default") == 403
    assert status(guarded, None, "POST", "/api/queue/update?app_id=default") == 401
    # remote_api.Request{service_name: "taskqueue", method: "FetchQueues", request: {max_rows: 1}, request_id: KEY}
    def call(ticket: str) -> bytes:
        text = lambda number, value: bytes([number << 3 | 2, len(value)]) + value
        body = text(2, b"taskqueue") + text(3, b"FetchQueues") + text(4, b"\x10\x01") + text(5, ticket.encode())
        guarded.client.key = None
        return guarded.client.raw("POST", "/rpc_http", body)[2]
    assert b"default" in call(keys["viewer"])
    assert b"lacks the permission cloudtasks.queues.list" in call(keys["enqueuer"])
    assert b"not known here" in call("wrong")


def test_a_key_that_is_taken_out_of_the_file_is_refused_after_sighup(guarded, access, keys):
    assert status(guarded, keys["viewer"], "GET", "/v1/queues") == 200
    whole = access.read_text()
    access.write_text(whole[:whole.index("  - name: viewer@")])
    guarded.process.send_signal(signal.SIGHUP)
    wait_until(lambda: status(guarded, keys["viewer"], "GET", "/v1/queues") == 401, "the key to be refused")
    assert status(guarded, keys["admin"], "GET", "/v1/queues") == 200
    access.write_text("keys: nonsense\n")
    guarded.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "reload.failed" in guarded.log(), "the complaint")
    assert status(guarded, keys["admin"], "GET", "/v1/queues") == 200, "what was in force stays"
    assert '"event":"auth.refused"' in guarded.log()
    for key in keys.values():
        assert key not in guarded.log()


def test_a_policy_lets_a_caller_into_its_queue(guarded, access, keys):
    """CT-175: by any door, with the next call."""
    key, lines = new_key("ada@example.com")
    with access.open("a") as file:
        file.write(lines)
    guarded.process.send_signal(signal.SIGHUP)
    wait_until(lambda: status(guarded, key, "POST", "/v1/queues/default/tasks", {}) == 403, "the key to be known")
    guarded.client.key = keys["admin"]
    guarded.client.put("/v1/queues/mine", {"mode": "pull"})
    guarded.client.post(f"/v2/{QUEUE}/mine:setIamPolicy", {"policy": {"bindings": [
        {"role": "roles/cloudtasks.enqueuer", "members": ["user:ada@example.com"]}]}})
    assert status(guarded, key, "POST", "/v1/queues/mine/tasks", {"body": "hers"}) == 201
    assert status(guarded, key, "POST", "/taskqueue/v1beta2/projects/default/taskqueues/mine/tasks",
                  {"payloadBase64": "aGVycw=="}) == 200
    assert status(guarded, key, "GET", "/v1/queues/mine") == 403
    assert status(guarded, key, "POST", "/v1/queues/default/tasks", {"url": "http://127.0.0.1:1/"}) == 403


class Issuer:
    """An issuer of identity tokens with one key; its key set is at `url`/keys, its discovery document where it belongs."""

    def __init__(self, folder):
        self.key = folder / "issuer.pem"
        subprocess.run(["openssl", "genrsa", "-out", self.key, "2048"], check=True, capture_output=True)
        modulus = subprocess.run(["openssl", "rsa", "-in", self.key, "-noout", "-modulus"], check=True, capture_output=True, text=True)
        jwk = {"kty": "RSA", "kid": "one", "e": "AQAB", "n": part(bytes.fromhex(modulus.stdout.strip().partition("=")[2]))}
        pages = {"/keys": {"keys": [jwk]}}

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = json.dumps(pages[self.path]).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        pages["/.well-known/openid-configuration"] = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}

    def token(self, **claims) -> str:
        claims = {"iss": self.url, "aud": "us", "email": "ada@example.com", "email_verified": True,
                  "exp": int(time.time()) + 600} | claims
        text = part(b'{"alg":"RS256","kid":"one"}') + "." + part(json.dumps(claims).encode())
        signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.key, "-binary"], input=text.encode(), check=True,
                                   capture_output=True).stdout
        return f"{text}.{part(signature)}"


def part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@pytest.fixture
def issuer(tmp_path):
    made = Issuer(tmp_path)
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_tokens_of_an_issuer_are_believed(make_server, access, issuer):
    access.write_text(f"issuers:\n- issuer: {issuer.url}\n  audiences: [us]\n"
                      "grants:\n- members: ['user:ada@example.com']\n  roles: [viewer]\n")
    server = make_server("--access-yaml", str(access))
    token = issuer.token()
    wait_until(lambda: status(server, token, "GET", "/v1/queues") == 200, "the issuer's keys to be fetched")
    assert status(server, token, "DELETE", "/v1/queues/default") == 403
    assert status(server, issuer.token(email="bob@example.com"), "GET", "/v1/queues") == 403
    for wrong in ({"aud": "them"}, {"exp": 1}, {"iss": "https://accounts.google.com"}, {"email_verified": False}):
        assert status(server, issuer.token(**wrong), "GET", "/v1/queues") == 401, wrong
    head, claims, signature = token.split(".")
    unsigned = part(b'{"alg":"none"}') + f".{claims}."
    for forged in (unsigned, f"{head}.{claims}.{signature[:-4]}AAAA", f"{head}.{claims}."):
        assert status(server, forged, "GET", "/v1/queues") == 401
    assert signature not in server.log()
    access.write_text("issuers: []\n")
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: status(server, token, "GET", "/v1/queues") == 401, "the issuer to be forgotten")


def test_defer_shows_its_key(guarded, keys, tmp_path):
    def defer(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
        return subprocess.run([DEFER, "--url", f"127.0.0.1:{guarded.port}", *arguments], capture_output=True, text=True,
                              env=clean_environment(**environment))
    refused = defer("queues", "ls")
    assert refused.returncode == 1 and "API key" in refused.stderr
    assert defer("queues", "ls", DEFERD_KEY=keys["viewer"]).returncode == 0
    file = tmp_path / "key"
    file.write_text(keys["viewer"] + "\n")
    assert defer("queues", "ls", "--key-file", str(file)).returncode == 0
