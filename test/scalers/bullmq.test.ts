import { randomUUID } from "node:crypto";
import { createClient } from "@redis/client";
import { type JobsOptions, Queue, Worker } from "bullmq";
import { bullmq } from "../../scalers/bullmq.ts";
import { redisBroker } from "../../src/brokers/redis.ts";
import { type ScalerWorld, testScaler } from "../conformance/scaler.ts";
import { startRedis } from "../support/redis.ts";

testScaler({
  title: "bullmq",
  scaler: bullmq,
  broker: redisBroker,
  start: openWorld,
  forbidden: (name) => name.includes(":"),
});

async function openWorld(): Promise<ScalerWorld> {
  const redis = await startRedis({ args: ["--requirepass", "pw"] });
  const dial = async () => {
    const client = createClient({ url: redis.url, password: "pw" }).on("error", () => {});
    client.setMaxListeners(0); // one set per Queue
    await client.connect();
    return client;
  };
  let client = await dial();
  const on = async (name: string, work: (queue: Queue) => Promise<unknown>) => {
    const queue = new Queue(name, { connection: client as never });
    await work(queue);
    await queue.close();
  };
  const add = (name: string, jobs: number, opts: JobsOptions = {}) =>
    on(name, (queue) => queue.addBulk(Array.from({ length: jobs }, () => ({ name: "job", data: {}, opts }))));
  return {
    settings: { url: redis.url, password: "pw" },
    wrongSettings: { url: redis.url, password: "wrong" },
    absent: "empty",
    query: (queue) => ({ queue }),
    put: (queue, jobs) => add(queue, jobs),
    delay: (queue, jobs, ms) => add(queue, jobs, { delay: ms }),
    prioritize: (queue, jobs) => add(queue, jobs, { priority: 3 }),
    pause: (queue, paused) => on(queue, (queue) => (paused ? queue.pause() : queue.resume())),
    take: async (queue, jobs) => {
      const worker = new Worker(queue, null, { connection: client as never, autorun: false });
      for (let i = 0; i < jobs; i++) await worker.getNextJob(randomUUID());
      await worker.close();
    },
    spoil: async (queue) => {
      await client.set(`bull:${queue}:wait`, "text");
    },
    kill: () => {
      // Adapters of closed queues still listen to it, and pass its errors on to nobody.
      client.destroy();
      return redis.kill9();
    },
    revive: async () => {
      await redis.restart();
      client = await dial();
    },
    freeze: (still) => (still ? redis.stopProcess() : redis.contProcess()),
    [Symbol.asyncDispose]: async () => {
      client.destroy();
      await redis.stop();
    },
  };
}
