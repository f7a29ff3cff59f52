"""A Celery app that accounts for every job.

Environment: REDIS_URL (or CELERY_BROKER, any broker), WORKTIDE_WORKER_ID, WORKTIDE_TEST_JOURNAL (file that gets one JSON
line per begin and end), CELERY_ACKS_LATE=1, CELERY_TOPIC=1 (the queue "orders" hangs on a topic exchange); on Redis
CELERY_VISIBILITY (s) and CELERY_PREFIX (global_keyprefix), on RabbitMQ CELERY_QUEUE_TYPE and CELERY_MAX_PRIORITY.
"""

import json
import os
import time

from celery import Celery
from kombu import Exchange, Queue

broker = os.environ.get("CELERY_BROKER") or os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
app = Celery("tasks", broker=broker)
app.conf.update(
    task_ignore_result=True,
    broker_connection_retry_on_startup=True,
    task_acks_late=os.environ.get("CELERY_ACKS_LATE") == "1",
    broker_transport_options={
        "global_keyprefix": os.environ.get("CELERY_PREFIX", ""),
        "visibility_timeout": int(os.environ.get("CELERY_VISIBILITY", "3600")),
    } if "redis" in broker else {},
    task_default_queue_type=os.environ.get("CELERY_QUEUE_TYPE", "classic"),
    task_queue_max_priority=int(os.environ["CELERY_MAX_PRIORITY"]) if "CELERY_MAX_PRIORITY" in os.environ else None,
)
if os.environ.get("CELERY_TOPIC") == "1":
    quorum = {"x-queue-type": "quorum"} if app.conf.task_default_queue_type == "quorum" else None
    app.conf.task_queues = [
        Queue("celery"),
        Queue("orders", Exchange("shop", type="topic"), routing_key="order.#", queue_arguments=quorum),
    ]


def note(kind, job):
    """One write a line to a file opened for appending, so that lines of many processes never mix."""
    path = os.environ.get("WORKTIDE_TEST_JOURNAL")
    if not path:
        return
    worker = os.environ.get("WORKTIDE_WORKER_ID") or str(os.getppid())
    line = {"kind": kind, "t": str(time.monotonic_ns()), "job": job, "worker": worker, "pid": os.getpid()}
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, (json.dumps(line) + "\n").encode())
    finally:
        os.close(file)


@app.task(bind=True, name="work")
def work(self, ms=0, until=None):
    """Waits for the file `until`, and then takes so long, in ms. Cut off, it says so on its way out; after SIGKILL nobody can."""
    note("job.start", self.request.id)
    try:
        while until and not os.path.exists(until):
            time.sleep(0.02)
        time.sleep(ms / 1000)
    except BaseException:
        note("job.killed", self.request.id)
        raise
    note("job.end", self.request.id)
