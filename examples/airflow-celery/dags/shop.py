"""Two DAGs to send work to the workers: many short tasks at once, and few long ones in a row."""

import os
import time
from datetime import datetime

from airflow.sdk import dag, task


def note(line: str) -> None:
    """Where the test of this example looks; without the variable nothing is written."""
    journal = os.environ.get("SHOP_JOURNAL")
    if journal:
        with open(journal, "a", encoding="utf-8") as file:
            file.write(f"{line} {os.environ.get('WORKTIDE_WORKER_ID', '')}\n")


def hold() -> None:
    """Goes on once this file is there, where the test asks for that."""
    release = os.environ.get("SHOP_HOLD")
    while release and not os.path.exists(release):
        time.sleep(0.2)


@dag(schedule=None, start_date=datetime(2026, 1, 1), catchup=False)
def burst():
    @task
    def mail(number: int) -> None:
        time.sleep(2)
        note(f"mail-{number}")

    mail.expand(number=list(range(16)))


@dag(schedule=None, start_date=datetime(2026, 1, 1), catchup=False)
def nightly():
    @task
    def step(number: int, after: int | None = None) -> int:
        time.sleep(5)
        hold()
        note(f"step-{number}")
        return number

    before = None
    for number in range(3):
        before = step.override(task_id=f"step_{number}")(number, before)


burst()
nightly()
