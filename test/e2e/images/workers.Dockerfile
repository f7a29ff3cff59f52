# Real BullMQ and Celery workers, and a Redis for them.
FROM localhost/worktide-base:1
COPY . /workers
WORKDIR /workers
USER 65532:65532
ENV PYTHONPATH=/workers/python PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
CMD ["node", "bullmq-worker.mjs"]
