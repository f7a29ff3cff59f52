// A BullMQ worker that accounts for every job. Environment: REDIS_URL, QUEUE, PREFIX, CONCURRENCY, LOCK_MS, STALLED_MS, MAX_STALLED,
// WORKTIDE_WORKER_ID (no name without it), WORKTIDE_TEST_JOURNAL (file that gets one JSON line per begin and end).
// A job's data: { until: a file whose coming it waits for, ms: how long it takes from then on, fail: throw at its first so many attempts, exit: kill the worker }.
import { appendFileSync, existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@redis/client";
import { Worker } from "bullmq";

const env = process.env;
const name = env.WORKTIDE_WORKER_ID;
const inHand = new Set();

/** O_APPEND: one write a line, so that lines of many processes never mix. */
function note(kind, job) {
  if (!env.WORKTIDE_TEST_JOURNAL) return;
  const line = { kind, t: String(process.hrtime.bigint()), job, worker: name ?? String(process.pid), pid: process.pid };
  appendFileSync(env.WORKTIDE_TEST_JOURNAL, `${JSON.stringify(line)}\n`);
}

async function run(job) {
  inHand.add(job.id);
  note("job.start", job.id);
  if (job.data.exit) process.kill(process.pid, "SIGKILL");
  while (job.data.until && !existsSync(job.data.until)) await sleep(20);
  await sleep(job.data.ms ?? 0);
  inHand.delete(job.id);
  note("job.end", job.id);
  if (job.attemptsMade < (job.data.fail ?? 0)) throw new Error("asked to fail");
}

// node-redis reports a lost connection here and dials again by itself.
const connection = createClient({ url: env.REDIS_URL ?? "redis://127.0.0.1:6379" }).on("error", () => {});
const worker = new Worker(env.QUEUE ?? "mails", run, {
  connection,
  prefix: env.PREFIX ?? "bull",
  concurrency: Number(env.CONCURRENCY ?? 1),
  ...(env.LOCK_MS && { lockDuration: Number(env.LOCK_MS) }),
  ...(env.STALLED_MS && { stalledInterval: Number(env.STALLED_MS), maxStalledCount: Number(env.MAX_STALLED ?? 100) }),
  ...(name && { name }),
});
worker.on("error", () => {});
worker.on("ready", () => console.log("ready"));

// What is still in hand when the process ends was cut off. (After SIGKILL nobody can say so.)
process.on("exit", () => {
  for (const id of inHand) note("job.killed", id);
});

process.once("SIGTERM", () => void worker.close().then(() => process.exit(0)));
