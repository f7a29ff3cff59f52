import { randomUUID } from "node:crypto";
import { createClient } from "@redis/client";
import { Queue } from "bullmq";
import { encodeMessage } from "../brokers/kombu.ts";

/** Changing load on the two queues of the demo, until it is disposed of. */
export interface DemoLoad extends AsyncDisposable {}

/** What arrives: a burst at the beginning of each period, then a stream, then nothing until the next. */
type Wave = Readonly<{ periodMs: number; burst: number; streamMs: number; perSecond: number; jobMs: readonly [number, number] }>;

const waves = {
  mails: { periodMs: 60_000, burst: 50, streamMs: 20_000, perSecond: 5, jobMs: [500, 2500] },
  reports: { periodMs: 75_000, burst: 14, streamMs: 25_000, perSecond: 0.6, jobMs: [1500, 4500] },
} as const satisfies Readonly<Record<string, Wave>>;

const tickMs = 250;

/** @param celery Whether there are Celery workers to take the reports. */
export async function startDemoLoad(url: string, celery: boolean): Promise<DemoLoad> {
  const connection = createClient({ url });
  // A Redis that goes away is shown by Worktide; the load waits until it is back.
  connection.on("error", () => {});
  await connection.connect();
  const mails = new Queue("mails", { connection });
  const send = {
    mails: (jobs: readonly number[]) =>
      mails.addBulk(jobs.map((ms) => ({ name: "mail", data: { ms }, opts: { removeOnComplete: 100, removeOnFail: 100 } }))),
    reports: (jobs: readonly number[]) =>
      connection.lPush(
        "reports",
        jobs.map((ms) => celeryMessage("reports", "work", [ms])),
      ),
  };
  const names = celery ? (["mails", "reports"] as const) : (["mails"] as const);
  const startedAt = Date.now();
  const owed = { mails: 0, reports: 0 };
  let lastMs = -tickMs;
  const timer = setInterval(() => {
    const nowMs = Date.now() - startedAt;
    for (const name of names) {
      owed[name] += arrivals(waves[name], lastMs, nowMs);
      const jobs = Array.from({ length: Math.floor(owed[name]) }, () => between(waves[name].jobMs));
      owed[name] -= jobs.length;
      if (jobs.length > 0) send[name](jobs).catch(() => {});
    }
    lastMs = nowMs;
  }, tickMs);
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await mails.close().catch(() => {});
      connection.destroy();
    },
  };
}

/** Jobs that arrive between two times since the start, ms; a fraction is owed to the next tick. */
function arrivals({ periodMs, burst, streamMs, perSecond }: Wave, fromMs: number, toMs: number): number {
  const begins = fromMs < 0 || Math.floor(toMs / periodMs) !== Math.floor(fromMs / periodMs);
  const streaming = toMs % periodMs < streamMs;
  return (begins ? burst : 0) + (streaming ? (perSecond * (toMs - fromMs)) / 1000 : 0);
}

function between([low, high]: readonly [number, number]): number {
  return Math.round(low + Math.random() * (high - low));
}

/** A task as Celery's clients send it: message protocol 2 in kombu's envelope for Redis. */
function celeryMessage(queue: string, task: string, args: readonly unknown[]): string {
  const id = randomUUID();
  return encodeMessage({
    body: [args, {}, { callbacks: null, errbacks: null, chain: null, chord: null }],
    headers: { lang: "py", task, id, root_id: id, parent_id: null, group: null, retries: 0, eta: null, expires: null },
    properties: { correlation_id: id, delivery_mode: 2, delivery_info: { exchange: "", routing_key: queue } },
  });
}
