"""gcloud, as it is, pointed at deferd by its own settings: v2 by the plain commands, v2beta3 by beta, v2beta2 by alpha."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from datetime import datetime, timedelta, timezone

import pytest
from harness import wait_until

pytestmark = pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not installed")


@pytest.fixture
def gcloud(server, tmp_path):
    """gcloud tasks WORDS..., or beta or alpha first; the parsed output of commands that have some."""
    environment = dict(
        os.environ,
        CLOUDSDK_CONFIG=str(tmp_path / "gcloud"),
        CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDTASKS=f"http://127.0.0.1:{server.port}/",
        CLOUDSDK_AUTH_DISABLE_CREDENTIALS="true",
        CLOUDSDK_CORE_PROJECT="my-project",
        CLOUDSDK_CORE_DISABLE_PROMPTS="true",
        CLOUDSDK_CORE_DISABLE_USAGE_REPORTING="true",
        CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK="true",
        CLOUDSDK_PYTHON="/usr/bin/python3",
    )

    def run(*words: str, track: str = "", status: int = 0):
        command = ["gcloud", *([track] if track else []), "tasks", *words, "--location=us-central1", "--format=json"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == status, f"{command}: {done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip() else done.stderr

    return run


def test_queues(gcloud):
    """CT-246, CT-185: a queue is made, changed by masks in camel case, shown, listed, paused, resumed, purged and deleted."""
    gcloud("queues", "create", "mail", "--max-dispatches-per-second=5", "--max-attempts=3", "--log-sampling-ratio=0.5")
    gcloud("queues", "update", "mail", "--max-concurrent-dispatches=7", "--max-backoff=60s")
    queue = gcloud("queues", "describe", "mail")
    assert queue["rateLimits"] == {"maxDispatchesPerSecond": 5, "maxBurstSize": 10, "maxConcurrentDispatches": 7}
    assert queue["retryConfig"] == {"maxAttempts": 3, "minBackoff": "0.100s", "maxBackoff": "60s", "maxDoublings": 16}
    assert queue["stackdriverLoggingConfig"] == {"samplingRatio": 0.5}
    gcloud("queues", "update", "mail", "--clear-max-attempts", "--clear-max-concurrent-dispatches")
    cleared = gcloud("queues", "describe", "mail")
    assert cleared["retryConfig"]["maxAttempts"] == 100 and cleared["rateLimits"]["maxConcurrentDispatches"] == 1000
    gcloud("queues", "pause", "mail")
    assert [each["state"] for each in gcloud("queues", "list", "--filter=state=PAUSED")] == ["PAUSED"]
    gcloud("queues", "purge", "mail")
    gcloud("queues", "resume", "mail")
    assert "purgeTime" in gcloud("queues", "describe", "mail")
    gcloud("queues", "delete", "mail")
    assert "Queue does not exist." in gcloud("queues", "describe", "mail", status=1)


def test_tasks(gcloud, target):
    """CT-246: a task is made, listed, described, run ahead of its time, and deleted."""
    tomorrow = (datetime.now(timezone.utc) + timedelta(days=1)).isoformat()
    gcloud("queues", "create", "mail")
    gcloud("create-http-task", "later", "--queue=mail", f"--url={target.url('/work')}", "--method=PUT", "--body-content=hello",
           "--header=X-Colour: blue", f"--schedule-time={tomorrow}")
    gcloud("create-http-task", "other", "--queue=mail", f"--url={target.url('/other')}", f"--schedule-time={tomorrow}")
    assert sorted(task["name"].split("/")[-1] for task in gcloud("list", "--queue=mail")) == ["later", "other"]
    assert gcloud("describe", "later", "--queue=mail")["httpRequest"]["httpMethod"] == "PUT"
    gcloud("run", "later", "--queue=mail")
    wait_until(lambda: target.pushes, "the task to arrive")
    push = target.pushes[0]
    assert (push.method, push.path, push.body, push.headers["x-colour"]) == ("PUT", "/work", b"hello", "blue")
    gcloud("delete", "other", "--queue=mail")
    wait_until(lambda: gcloud("list", "--queue=mail") == [], "both tasks to be gone")


def test_betas(gcloud):
    """CT-246: what only the beta and alpha commands have: overrides of targets, and pull queues."""
    gcloud("queues", "create", "beta", "--http-uri-override=scheme:http,host:localhost,port:8080", track="beta")
    overrides = gcloud("queues", "describe", "beta", track="beta")["httpTarget"]["uriOverride"]
    assert (overrides["scheme"], overrides["host"], overrides["port"]) == ("HTTP", "localhost", "8080")
    gcloud("queues", "create-pull-queue", "pull", track="alpha")
    gcloud("create-pull-task", "--queue=pull", "--payload-content=hello", "--tag=a", track="alpha")
    leased = gcloud("lease", "--queue=pull", "--lease-duration=60", "--tag=a", track="alpha")
    assert [task["pullMessage"] for task in leased] == [{"tag": "a"}]  # gcloud leases in BASIC view
    gcloud("acknowledge", leased[0]["name"], f"--schedule-time={leased[0]['scheduleTime']}", track="alpha")
    assert gcloud("list", "--queue=pull", track="alpha") == []
