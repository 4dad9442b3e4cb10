"""App Engine's own example of a task queue, unchanged: a page that adds tasks, and the handler that does them.

Runs against deferd by environment variables alone; README.md has them.
"""

from flask import Flask, request
from google.appengine.api import taskqueue, wrap_wsgi_app
from google.appengine.ext import deferred

import work

app = Flask(__name__)
app.wsgi_app = wrap_wsgi_app(app.wsgi_app, use_deferred=True)


@app.post("/orders/<number>")
def order(number: str):
    """Answers at once; the work happens later, and again until it succeeds."""
    task = taskqueue.add(url="/background", queue_name="my-queue", params={"order": number})
    return f"order {number} is task {task.name}, due {task.eta:%H:%M:%S}\n"


@app.post("/background")
def background():
    """What the queue calls, at the queue's pace. 2xx ends the task, anything else tries it again."""
    attempt = int(request.headers["X-AppEngine-TaskRetryCount"]) + 1
    print(f"order {request.form['order']} is done, attempt {attempt}", flush=True)
    return ""


@app.post("/reports/<name>")
def report(name: str):
    """The same without a handler of one's own: any function, later."""
    deferred.defer(work.make_report, name, _queue="my-queue", _countdown=1)
    return f"report {name} will be made in a second\n"


@app.get("/statistics")
def statistics():
    found = taskqueue.Queue("my-queue").fetch_statistics()
    return f"{found.tasks} tasks wait, {found.executed_last_minute} ran in the last minute\n"
