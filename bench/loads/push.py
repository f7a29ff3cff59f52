"""As push.ts, with Celery's apply_async: `python bench/loads/push.py URL`."""

import json
import sys
import time

from celery import Celery

app = Celery("bench", broker=sys.argv[1])
app.conf.task_ignore_result = True


@app.task(name="job")
def job():
    pass


for line in sys.stdin:
    name = line.strip()
    at = time.monotonic_ns() / 1e6
    job.apply_async(queue=name)
    print(json.dumps({"name": name, "at": at}), flush=True)
