import { createClient } from "@redis/client";
import { Queue } from "bullmq";
import { bullmq as scaler } from "../scalers/bullmq.ts";
import { redisBroker } from "../src/brokers/redis.ts";
import type { Bench } from "./context.ts";
import { digits, median, quantile } from "./figures.ts";
import { startRedis } from "./redis.ts";

const queues = 300;
const soon = () => AbortSignal.timeout(30_000);

/** One round of many queues of BullMQ: how long Redis works for it, and how long it takes. */
export const bullmq: Bench = async ({ quick }) => {
  await using redis = await startRedis();
  const client = createClient({ url: redis.url }).on("error", () => {});
  await client.connect();
  client.setMaxListeners(0); // each queue listens
  const names = Array.from({ length: queues }, (_, i) => `queue-${i}`);
  for (const [at, name] of names.entries()) {
    const queue = new Queue(name, { connection: client as never });
    const later = (n: number) => (n % 3 ? {} : { delay: 3_600_000 });
    await queue.addBulk(Array.from({ length: at % 20 }, (_, n) => ({ name: "job", data: {}, opts: later(n) })));
  }
  client.destroy();
  const session = await redisBroker.open(redisBroker.settings.parse({ url: redis.url }) as never, soon());
  const queries = names.map((queue) => scaler.query.parse({ queue }) as never);
  const [inRedis, whole]: [number[], number[]] = [[], []];
  for (let round = 0; round < (quick ? 20 : 100); round++) {
    await redis.send("CONFIG", "RESETSTAT");
    const began = performance.now();
    const results = await scaler.read(session.client, queries, soon());
    whole.push(performance.now() - began);
    const wrong = results.find((result) => !("reading" in result));
    if (wrong) throw new Error(`a reading went wrong: ${JSON.stringify(wrong)}`);
    inRedis.push(scriptMs(await redis.info("commandstats")));
  }
  session.destroy();
  // The first rounds load the script and learn who is there.
  const figures = [inRedis, whole].map((times) => times.slice(3)).flatMap((times) => [median(times), quantile(times, 0.95)]);
  return [
    {
      title: `One round of ${queues} queues of BullMQ`,
      note: "Goal: at most 10 ms of Redis' time. Redis' time is that of our scripts (`INFO commandstats`). Each queue has up to 19 jobs, a third of them delayed.",
      head: ["queues", "Redis, p50, ms", "p95, ms", "whole round, p50, ms", "p95, ms"],
      rows: [[String(queues), ...figures.map(digits)]],
    },
  ];
};

/** What scripts call counts in them already. */
function scriptMs(stats: Readonly<Record<string, string>>): number {
  const scripts = Object.entries(stats).filter(([name]) => /^cmdstat_(eval|fcall)/.test(name));
  return scripts.reduce((sum, [, stat]) => sum + Number(/usec=(\d+)/.exec(stat)?.[1] ?? 0), 0) / 1000;
}
