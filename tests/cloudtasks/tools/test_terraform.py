"""What Terraform's google_cloud_tasks_queue asks of the server, request by request, and what it compares afterwards.

Its provider is in no registry that ./dev may install from, so this stands in for it: the same paths, masks, bodies (all that is set,
and no name on updates) and empty POSTs, in the same order. It finds a difference where a field that was configured reads otherwise.
"""

from __future__ import annotations

import json

import pytest
from harness import Refused

BASE = "/v2/"  # cloud_tasks_custom_endpoint ends so
PARENT = "projects/my-project/locations/us-central1"


class Resource:
    """One google_cloud_tasks_queue. Attributes are as in a queue's JSON; desired_state beside them."""

    def __init__(self, client, name: str):
        self.client = client
        self.id = f"{PARENT}/queues/{name}"
        self.applied: dict = {}

    def send(self, method: str, path: str, body: dict | None = None, query: str = "") -> dict:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if data else {}
        status, _, raw = self.client.raw(method, f"{BASE}{path}?alt=json{query}", data, headers)
        if status != 200:
            raise Refused(status, json.loads(raw), {})
        return json.loads(raw)

    def apply(self, config: dict, desired_state: str = "RUNNING") -> None:
        if not self.applied:
            self.send("POST", f"{PARENT}/queues", {"name": self.id, **config})
        elif changed := [name for name in self.applied.keys() | config.keys() if self.applied.get(name) != config.get(name)]:
            self.send("PATCH", self.id, config, "&updateMask=" + "%2C".join(sorted(changed)))
        if self.read()["state"] != desired_state:
            self.send("POST", f"{self.id}:{'pause' if desired_state == 'PAUSED' else 'resume'}")
        self.applied = config

    def read(self) -> dict:
        return self.send("GET", self.id)

    def differences(self) -> list[str]:
        """What the next plan would change: paths whose value is not the configured one."""
        return different(self.applied, self.read(), "")

    def destroy(self) -> None:
        self.send("DELETE", self.id)


def different(configured, read, path: str) -> list[str]:
    if isinstance(configured, dict) and isinstance(read, dict):
        return [each for name, value in configured.items() for each in different(value, read.get(name), f"{path}.{name}")]
    if path.endswith(("Backoff", "Duration")):  # durations are compared as such; 0s may be left out
        configured, read = (float((value or "0s").rstrip("s")) for value in (configured, read))
    return [] if configured == read else [f"{path}: {configured} -> {read}"]


FULL = {
    "appEngineRoutingOverride": {"service": "worker", "version": "1.0", "instance": "test"},
    "rateLimits": {"maxConcurrentDispatches": 3, "maxDispatchesPerSecond": 2.5},
    "retryConfig": {"maxAttempts": 5, "maxRetryDuration": "4s", "maxBackoff": "3s", "minBackoff": "2s", "maxDoublings": 1},
    "stackdriverLoggingConfig": {"samplingRatio": 0.9},
    "httpTarget": {
        "httpMethod": "POST",
        "uriOverride": {"scheme": "HTTPS", "host": "oidc.example.com", "port": "8443",
                        "pathOverride": {"path": "/users/1234"}, "queryOverride": {"queryParams": "qparam1=123&qparam2=456"},
                        "uriOverrideEnforceMode": "IF_NOT_EXISTS"},
        "headerOverrides": [{"header": {"key": "AddSomethingElse", "value": "MyOtherValue"}},
                            {"header": {"key": "AddMe", "value": "MyValue"}}],
        "oidcToken": {"serviceAccountEmail": "example@my-project.iam.gserviceaccount.com", "audience": "https://oidc.example.com"},
    },
}


@pytest.mark.parametrize("config", [{}, FULL, {"retryConfig": {"maxRetryDuration": "0s", "maxAttempts": -1}}])
def test_what_was_applied_is_planned_without_a_difference(client, config):
    """CT-247: a queue is made, and reads as it was configured; destroyed, it is gone."""
    queue = Resource(client, "q")
    queue.apply(config)
    assert queue.differences() == []
    queue.destroy()
    with pytest.raises(Refused) as gone:
        queue.read()
    assert gone.value.status == 404  # which is how a resource that somebody else deleted leaves the state


def test_changes_are_applied(client):
    """CT-247, CT-185, CT-187, CT-189: masks in camel case change what they name; states are changed by empty POSTs."""
    queue = Resource(client, "q")
    queue.apply({"rateLimits": {"maxDispatchesPerSecond": 1}}, "PAUSED")
    assert queue.read()["state"] == "PAUSED"
    queue.apply(FULL)
    assert queue.read()["state"] == "RUNNING" and queue.differences() == []
    changed = FULL | {"rateLimits": {"maxConcurrentDispatches": 4, "maxDispatchesPerSecond": 500, "maxBurstSize": 10}}
    changed["retryConfig"] = FULL["retryConfig"] | {"maxBackoff": "30s"}
    queue.apply(changed)
    read = queue.read()
    assert read["rateLimits"] == {"maxConcurrentDispatches": 4, "maxDispatchesPerSecond": 500, "maxBurstSize": 100}
    assert different(changed["retryConfig"], read["retryConfig"], "") == []
    queue.apply({name: value for name, value in changed.items() if name != "httpTarget"})
    assert "httpTarget" not in queue.read()
    queue.destroy()


def test_policies(client):
    """CT-247, CT-175: what google_cloud_tasks_queue_iam_member does: read, change, write with the etag that was read."""
    queue = Resource(client, "q")
    queue.apply({})
    policy = queue.send("POST", f"{queue.id}:getIamPolicy")
    binding = {"role": "roles/cloudtasks.enqueuer", "members": ["user:a@example.com"]}
    queue.send("POST", f"{queue.id}:setIamPolicy", {"policy": {"bindings": [binding], "etag": policy["etag"], "version": 3}})
    assert queue.send("POST", f"{queue.id}:getIamPolicy")["bindings"] == [binding]
