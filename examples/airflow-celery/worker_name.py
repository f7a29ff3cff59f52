"""The name of a worker in Airflow's database: that of its process, or of its pod."""

import os
import socket


def worker_name() -> str:
    return os.environ.get("WORKTIDE_WORKER_ID") or socket.gethostname()
