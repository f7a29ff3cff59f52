// Sends mails, CONCURRENCY at once. `worktide run` starts and ends as many of these as the queue needs.
import { appendFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "bullmq";
import { connection, queueName } from "./connection.js";

/** What sending a mail takes; a real one talks to a server here. */
async function send({ id, data, attemptsMade }) {
  await sleep(data.seconds * 1000);
  if (attemptsMade < data.failures) throw new Error("the mail server is busy");
  await appendFile(process.env.SHOP_OUTBOX ?? "outbox", `${id} ${process.env.WORKTIDE_WORKER_ID}\n`);
}

const worker = new Worker(queueName, send, {
  connection,
  concurrency: Number(process.env.CONCURRENCY ?? 1),
  // Its jobs carry this name: by it Worktide sees which process has one in hand, and stops only those that have none.
  name: process.env.WORKTIDE_WORKER_ID,
});
worker.on("error", (error) => console.error(error.message));
worker.on("failed", (job, error) => console.error(`mail ${job?.id}: ${error.message}`));

// Takes no more, finishes what it has in hand, and ends.
process.once("SIGTERM", async () => {
  await worker.close();
  process.exit(0);
});
