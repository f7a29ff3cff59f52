import os
import time

from celery import shared_task


@shared_task
def send_mail(to, seconds=1.0):
    """Stands for something slow. Writes a line when it is done, where SHOP_OUTBOX says so."""
    time.sleep(seconds)
    outbox = os.environ.get("SHOP_OUTBOX")
    if outbox:
        with open(outbox, "a", encoding="utf-8") as file:
            file.write(f"{to} {os.environ.get('WORKTIDE_WORKER_ID', '')}\n")
