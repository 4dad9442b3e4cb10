"""A function that does nothing, as each executor wants it. Workers import this."""

import os


def noop(number):
    return number


def celery_app():
    """Durable as deferd is: the broker keeps what is not acknowledged, results go to the same Redis."""
    from celery import Celery

    url = f"redis://127.0.0.1:{os.environ['REDIS_PORT']}/0"
    made = Celery("noop", broker=url, backend=url)
    made.conf.update(task_acks_late=True, task_serializer="json", result_serializer="json", accept_content=["json"],
                     worker_prefetch_multiplier=8, broker_connection_retry_on_startup=True)
    made.task(name="noop.noop")(noop)
    return made


if "REDIS_PORT" in os.environ and os.environ.get("EXECUTOR") == "celery":
    app = celery_app()
