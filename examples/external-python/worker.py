"""Works on the files NAME.job of a folder, one at a time. On SIGTERM it takes no more, and ends once the one in hand is done."""

import os
import signal
import sys
import time
from pathlib import Path

folder, seconds = Path(sys.argv[1]), float(os.environ.get("SECONDS_EACH", "2"))
name = os.environ.get("WORKTIDE_WORKER_ID", str(os.getpid()))
stopping = False


def stop(*_):
    global stopping
    stopping = True


signal.signal(signal.SIGTERM, stop)
while not stopping:
    for job in sorted(folder.glob("*.job")):
        mine = job.with_suffix(f".of-{name}")
        try:
            job.rename(mine)  # whoever renames it has it
        except FileNotFoundError:
            continue
        time.sleep(seconds)
        mine.rename(job.with_suffix(".done"))
        break
    else:
        time.sleep(0.1)
