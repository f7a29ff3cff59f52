"""Sends the tasks that stand on the standard input: a JSON list of {"ms", "count", and options of apply_async}."""

import json
import sys

from tasks import work

for spec in json.load(sys.stdin):
    ms, count = spec.pop("ms", 0), spec.pop("count", 1)
    for _ in range(count):
        work.apply_async((ms,), **spec)
