"""The application that tasks are pushed to: Flask under gunicorn, wrapped as on App Engine.

It has no ticket of its own, so whatever its handlers call they call with the ticket of the push that they handle.
Handlers of tasks keep what they saw; the /test/ pages, which only the tests call, tell it.
"""

from __future__ import annotations

import base64
import os
import threading
import time

import jobs
from flask import Flask, jsonify, request
from google.appengine.api import memcache, namespace_manager, taskqueue, wrap_wsgi_app

app = Flask(__name__)
legacy = os.environ.get("TARGET_APP_LEGACY", "1") == "1"
app.wsgi_app = wrap_wsgi_app(app.wsgi_app, use_legacy_context_mode=legacy, use_deferred=True)

lock = threading.Lock()
seen: list[dict] = []
scripts: dict[str, list[int]] = {}  # what /work/PATH is to answer, one after another, then 200


@app.route("/work/<path:path>", methods=["GET", "POST", "HEAD", "PUT", "DELETE"])
@app.route("/_ah/queue/<path:path>", methods=["POST"])
def work(path: str):
    body = request.get_data()  # before anything asks for the form, which would consume it
    with lock:
        script = scripts.get(request.path)
        status = script.pop(0) if script else 200
        seen.append({
            "method": request.method,
            "path": request.path,
            "query": request.query_string.decode(),
            "headers": {name.lower(): value for name, value in request.headers.items()},
            "form": request.form.to_dict(flat=False),
            "body": base64.b64encode(body).decode(),
            "remote_addr": request.environ.get("REMOTE_ADDR"),
            "namespace": namespace_manager.get_namespace(),
            "status": status,
        })
    return "", status


@app.post("/chain/<queue>")
def chain(queue: str):
    """A handler that adds the next task: to /work/chained, or once more to itself while `left` says so."""
    left = int(request.form["left"])
    if left:
        task = taskqueue.add(url=f"/chain/{queue}", params={"left": left - 1}, queue_name=queue)
    else:
        task = taskqueue.add(url="/work/chained", params={"parent": request.headers["X-AppEngine-TaskName"]}, queue_name=queue)
    return task.name


@app.post("/chain-in-thread/<queue>")
def chain_in_thread(queue: str):
    """The same from a thread that the request starts, by the asynchronous call."""
    rpc = taskqueue.Queue(queue).add_async(taskqueue.Task(url="/work/from-thread"))
    rpc.get_result()
    return ""


@app.post("/slow")
def slow():
    time.sleep(float(request.form["seconds"]))
    return ""


@app.post("/memcache")
def no_memcache():
    with lock:
        seen.append({"path": "/memcache", "memcache_set": memcache.set("key", "value")})
    return ""


@app.get("/test/ready")
def ready():
    return "ready"


@app.get("/test/seen")
def tell():
    with lock:
        return jsonify(seen)


@app.post("/test/script")
def script():
    with lock:
        scripts.update(request.get_json())
    return ""


@app.get("/test/jobs")
def told_by_jobs():
    return jsonify(jobs.told())
