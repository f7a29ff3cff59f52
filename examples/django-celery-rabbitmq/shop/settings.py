"""No more than what tasks need."""

import os

SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY", "for-trying-out-only")
INSTALLED_APPS = ["shop"]
USE_TZ = True

CELERY_BROKER_URL = os.environ.get("RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672//")
CELERY_TASK_DEFAULT_QUEUE = "mails"
CELERY_TASK_IGNORE_RESULT = True
# A task that was cut off goes back to the queue, and no worker hoards what others could begin at once.
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
