// A BullMQ worker for the pool of worktide.yaml: one process, CONCURRENCY jobs at once.
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@redis/client";
import { Worker } from "bullmq";

const connection = createClient({ url: process.env.REDIS_URL ?? "redis://127.0.0.1:6379" });
connection.on("error", (error) => console.error(error.message));

const worker = new Worker(process.env.QUEUE ?? "mails", (job) => sleep(job.data.ms ?? 1000), {
  connection,
  concurrency: Number(process.env.CONCURRENCY ?? 1),
  // With its name on the jobs, Worktide sees which process is busy, and stops only idle ones.
  name: process.env.WORKTIDE_WORKER_ID,
});
worker.on("error", (error) => console.error(error.message));

// Finishes the jobs in hand and takes no more.
process.once("SIGTERM", () => void worker.close().then(() => process.exit(0)));
