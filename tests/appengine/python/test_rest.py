"""Pull queues over REST, by Google's own client, which builds itself from the document that deferd hands out."""

from __future__ import annotations

import base64

import httplib2
import pytest
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError


@pytest.fixture
def service(deferd):
    return build("taskqueue", "v1beta2", http=httplib2.Http(), static_discovery=False, cache_discovery=False,
                 discoveryServiceUrl=f"http://127.0.0.1:{deferd.port}/discovery/v1/apis/{{api}}/{{apiVersion}}/rest")


@pytest.fixture
def where(pull) -> dict[str, str]:
    return {"project": "s~default", "taskqueue": pull.name}


def test_every_method_in_turn(service, where, pull):
    """GAE-210: insert, lease, list, get, update, patch, delete with google-api-python-client from the discovery document."""
    tasks = service.tasks()
    payload = base64.urlsafe_b64encode(b"\xfb\xff hello").decode()
    inserted = tasks.insert(**where, body={"id": "one", "queueName": where["taskqueue"], "payloadBase64": payload,
                                           "tag": "red"}).execute()
    assert (inserted["kind"], inserted["id"], inserted["leaseTimestamp"]) == ("taskqueues#task", "one", "0")

    leased = tasks.lease(**where, numTasks=10, leaseSecs=60, groupByTag=True, tag="red").execute()
    assert leased["kind"] == "taskqueue#tasks"
    (task,) = leased["items"]
    assert (task["payloadBase64"], task["retry_count"]) == (payload, 1)

    listed = tasks.list(**where).execute()
    assert (listed["kind"], [one["id"] for one in listed["items"]]) == ("taskqueues#tasks", ["one"])
    assert tasks.get(**where, task="one").execute()["leaseTimestamp"] == task["leaseTimestamp"]

    updated = tasks.update(**where, task="one", newLeaseSeconds=120, body=task).execute()
    assert int(updated["leaseTimestamp"]) > int(task["leaseTimestamp"])
    patched = tasks.patch(**where, task="one", newLeaseSeconds=240,
                          body={"queueName": where["taskqueue"], "leaseTimestamp": updated["leaseTimestamp"]}).execute()
    assert int(patched["leaseTimestamp"]) > int(updated["leaseTimestamp"])

    described = service.taskqueues().get(**where, getStats=True, fields="id,stats(totalTasks,leasedLastMinute)").execute()
    assert described == {"id": where["taskqueue"], "stats": {"totalTasks": 1, "leasedLastMinute": "1"}}

    assert not tasks.delete(**where, task="one").execute()
    assert pull.fetch_statistics().tasks == 0


def test_errors_are_what_the_client_can_read(service, where):
    """GAE-214 GAE-215: the message of an error reaches a program."""
    with pytest.raises(HttpError) as error:
        service.tasks().get(**where, task="missing").execute()
    assert error.value.status_code == 404
    with pytest.raises(HttpError) as error:
        service.taskqueues().get(project="s~default", taskqueue="default").execute()
    assert (error.value.status_code, error.value.reason) == (400, "The REST API is only applicable to pull queues.")


def test_the_sdk_and_rest_share_a_queue(service, where, pull):
    """GAE-216: the SDK's application is the one that REST calls by its partition."""
    from google.appengine.api import taskqueue

    pull.add(taskqueue.Task(payload=b"from the SDK", method="PULL", name="shared"))
    (task,) = service.tasks().lease(project="default", taskqueue=where["taskqueue"], numTasks=1, leaseSecs=60).execute()["items"]
    assert (task["id"], base64.urlsafe_b64decode(task["payloadBase64"])) == ("shared", b"from the SDK")
