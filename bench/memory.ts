import { setTimeout as sleep } from "node:timers/promises";
import type { Bench, Context } from "./context.ts";
import { digits, median, slope, type Table } from "./figures.ts";
import { connection, type House, scaledWorker, startHouse, startMany } from "./house.ts";
import { usageOf } from "./proc.ts";
import { type BenchRedis, startRedis } from "./redis.ts";

/** What Worktide holds with one pool, and what each further trigger adds. */
export const memory: Bench = async (context) => {
  await using redis = await startRedis();
  return [await sizes(redis, context)];
};

/** Whether it grows while everything keeps changing. */
export const churn: Bench = async (context) => {
  await using redis = await startRedis();
  return [await changing(redis, context)];
};

async function sizes(redis: BenchRedis, { quick, say }: Context): Promise<Table> {
  const repeats = quick ? 1 : 2;
  const counts = [0, 1_000, 10_000];
  const found = new Map<number, number[]>(counts.map((count) => [count, []]));
  const idle: number[] = [];
  const spread: number[] = [];
  for (let repeat = 0; repeat < repeats; repeat++) {
    {
      const pool = scaledWorker("pool", [{ redis: { list: { key: "queue" } } }]);
      await using house = await startHouse({ documents: [connection(redis.url), pool] });
      idle.push(await settledMiB(house));
    }
    for (const count of counts) {
      await using house = await startMany(redis.url, count);
      found.get(count)?.push(await settledMiB(house));
    }
    {
      await using house = await startMany(redis.url, 200, 50);
      spread.push(await settledMiB(house));
    }
    say(`memory: ${digits(idle.at(-1) ?? 0)} MiB with one pool`);
  }
  const of = (count: number) => median(found.get(count) ?? []);
  const perTrigger = (more: number, less: number) => `${digits(((of(more) - of(less)) * 1024) / (more - less))} KiB`;
  return {
    title: "Memory at rest",
    note: "RSS 20 s after the start, libraries' and Node's own code among it, of the built package. Goal: 150 MiB with 10,000 triggers.",
    head: ["what", "RSS"],
    rows: [
      ["`worktide run` with one pool of processes", `${digits(median(idle))} MiB`],
      ["no triggers (many.ts)", `${digits(of(0))} MiB`],
      ["10,000 triggers, 50 per ScaledWorker", `${digits(median(spread))} MiB`],
      ["10,000 triggers, one per ScaledWorker", `${digits(of(10_000))} MiB`],
      ["each of the first 1,000 triggers", perTrigger(1_000, 0)],
      ["each of the next 9,000 triggers", perTrigger(10_000, 1_000)],
    ],
  };
}

async function settledMiB(house: House): Promise<number> {
  await sleep(20_000);
  return usageOf(house.pid).rssMiB;
}

/** 20 pools of real processes grow and shrink all the time, metrics are scraped, the file is edited. */
async function changing(redis: BenchRedis, { quick, say }: Context): Promise<Table> {
  const minutes = quick ? 1 : 10;
  const pools = 20;
  const documents = (edit: number) => [
    connection(redis.url),
    ...Array.from({ length: pools }, (_, i) =>
      scaledWorker(`pool-${i}`, [{ redis: { list: { key: `queue:${i}` } } }], { replicas: { min: 0, max: 2 + (edit % 2) } }),
    ),
  ];
  await redis.send("FLUSHALL");
  await using house = await startHouse({ documents: documents(0) });
  const samples: { x: number; rss: number; heap: number }[] = [];
  const began = performance.now();
  let changes = 0;
  for (let second = 0; second < minutes * 60; second++) {
    for (let i = 0; i < 4; i++) {
      const key = `queue:${(changes * 7) % pools}`;
      if (changes++ % 2 === 0) await redis.send("RPUSH", key, "job", "job", "job");
      else await redis.send("DEL", `queue:${(changes * 13) % pools}`);
      await sleep(240);
    }
    if (second % 30 === 29) await house.declare(documents(second));
    if (second % 5 !== 4) continue;
    const heap = /^nodejs_heap_size_used_bytes (\d+)/m.exec(String(await house.get("/metrics")))?.[1];
    const x = (performance.now() - began) / 3_600_000;
    samples.push({ x, rss: usageOf(house.pid).rssMiB, heap: Number(heap) / 2 ** 20 });
  }
  const last = samples.at(-1);
  say(`churn: ${digits(last?.rss ?? 0)} MiB after ${minutes} min of churn`);
  // The first quarter is warm-up: caches and rings fill, code is compiled.
  const settled = samples.slice(samples.length >> 2);
  const perHour = (what: "rss" | "heap") => `${digits(slope(settled.map((sample) => ({ x: sample.x, y: sample[what] }))))} MiB/h`;
  const writes = [...String(await house.get("/metrics")).matchAll(/^worktide_\w*writes_total\{[^}]*\} (\d+)/gm)];
  const applied = writes.reduce((sum, [, count]) => sum + Number(count), 0);
  const middle = settled[0];
  return {
    title: `Memory under churn, ${minutes} min`,
    note:
      `${pools} pools of real processes, 4 changes of a queue in a second, a scrape every 5 s, the file edited every 30 s. ` +
      "Slopes (Theil and Sen) over the last three quarters; that of the heap counts garbage that is not collected yet.",
    head: ["what", "RSS", "heap used"],
    rows: [
      ["after the first quarter", `${digits(middle?.rss ?? 0)} MiB`, `${digits(middle?.heap ?? 0)} MiB`],
      ["at the end", `${digits(last?.rss ?? 0)} MiB`, `${digits(last?.heap ?? 0)} MiB`],
      ["slope", perHour("rss"), perHour("heap")],
      ["changes of size applied", digits(applied), ""],
    ],
  };
}
