"""A Celery app for the pool of worktide.yaml.

    celery -A tasks worker -n ${WORKTIDE_WORKER_ID}@%h --concurrency 2

With its name as the node's name, Worktide sees which process is busy, and stops only idle ones.
"""

import os
import time

from celery import Celery

app = Celery("tasks", broker=os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"))
app.conf.task_ignore_result = True
app.conf.broker_connection_retry_on_startup = True


@app.task(name="work")
def work(ms=1000):
    time.sleep(ms / 1000)
