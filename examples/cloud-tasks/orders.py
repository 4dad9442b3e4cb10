"""Cloud Tasks in one file: a queue, two tasks, and the handler that they reach. The second needs two attempts.

With CLOUD_TASKS_EMULATOR_HOST (localhost:8123) it speaks to deferd, without it to Google; nothing else differs.
"""

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import grpc
from google.api_core.exceptions import AlreadyExists
from google.cloud import tasks_v2
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcTransport

PARENT = "projects/my-project/locations/us-central1"
QUEUE = f"{PARENT}/queues/orders"
PORT = int(os.environ.get("PORT", 8080))
all_done = threading.Event()


def make_client() -> tasks_v2.CloudTasksClient:
    host = os.environ.get("CLOUD_TASKS_EMULATOR_HOST")
    if not host:
        return tasks_v2.CloudTasksClient()
    return tasks_v2.CloudTasksClient(transport=CloudTasksGrpcTransport(channel=grpc.insecure_channel(host)))


def say(text: str):
    print(f"{text}\n", end="", flush=True)  # in one piece, since two threads speak


class Handler(BaseHTTPRequestHandler):
    """What the queue calls. 2xx ends the task, anything else tries it again later."""

    def do_POST(self):
        order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        attempt = int(self.headers["X-CloudTasks-TaskRetryCount"]) + 1
        done = order["number"] == 17 or attempt == 2
        say(f"order {order['number']}, attempt {attempt}: {'done' if done else 'not yet'}")
        self.send_response(200 if done else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()
        if order["number"] == 18 and done:
            all_done.set()

    def log_message(self, *args):
        pass


def main():
    server = HTTPServer(("127.0.0.1", PORT), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    client = make_client()
    try:
        client.create_queue(parent=PARENT, queue={"name": QUEUE, "rate_limits": {"max_dispatches_per_second": 10}})
    except AlreadyExists:
        pass
    for number in (17, 18):
        request = {
            "url": f"http://127.0.0.1:{PORT}/orders",
            "headers": {"Content-Type": "application/json"},
            "body": json.dumps({"number": number}).encode(),
        }
        task = client.create_task(parent=QUEUE, task={"http_request": request})
        say(f"order {number} is {task.name}")

    all_done.wait()
    server.shutdown()


if __name__ == "__main__":
    main()
