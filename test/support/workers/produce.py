"""Sends the tasks that stand on the standard input: a JSON list of {"ms", "count", and options of apply_async}.

Prints when the first of them was sent: ns of the system's monotonic clock.
"""

import json
import sys
import time

from tasks import app, work

# RabbitMQ only: a program that ends right after it has sent can take its last messages with it.
app.conf.broker_transport_options = {**app.conf.broker_transport_options, "confirm_publish": True}

sent = None
for spec in json.load(sys.stdin):
    ms, count = spec.pop("ms", 0), spec.pop("count", 1)
    for _ in range(count):
        work.apply_async((ms,), **spec)
        sent = sent or time.monotonic_ns()
print(sent)
