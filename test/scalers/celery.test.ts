import { randomUUID } from "node:crypto";
import { createClient } from "@redis/client";
import { celery } from "../../scalers/celery.ts";
import { redisBroker } from "../../src/brokers/redis.ts";
import { type ScalerWorld, testScaler } from "../conformance/scaler.ts";
import { startRedis } from "../support/redis.ts";

// Needs no Python: tasks as Celery 5.7 puts them there. celery-counts and celery-workers try it on the real ones.
testScaler({ title: "celery", scaler: celery, broker: redisBroker, start: openWorld });

function task(routingKey: string, eta: string | null, priority: number): string {
  const id = randomUUID();
  return JSON.stringify({
    body: Buffer.from("[[], {}, {}]").toString("base64"),
    "content-encoding": "utf-8",
    "content-type": "application/json",
    headers: { lang: "py", task: "work", id, eta, expires: null, retries: 0, argsrepr: '{"eta": "2000-01-01"}' },
    properties: {
      priority,
      body_encoding: "base64",
      delivery_info: { exchange: "", routing_key: routingKey },
      delivery_tag: randomUUID(),
    },
  });
}

async function openWorld(): Promise<ScalerWorld> {
  const redis = await startRedis({ args: ["--requirepass", "pw"] });
  const dial = async () => {
    const client = createClient({ url: redis.url, password: "pw" }).on("error", () => {});
    await client.connect();
    return client;
  };
  let client = await dial();
  const push = async (queue: string, jobs: number, { eta = null as string | null, step = 0 } = {}) => {
    const key = step === 0 ? queue : `${queue}\x06\x16${step}`;
    await client.lPush(
      key,
      Array.from({ length: jobs }, () => task(queue, eta, step)),
    );
  };
  return {
    settings: { url: redis.url, password: "pw" },
    wrongSettings: { url: redis.url, password: "wrong" },
    absent: "empty",
    query: (queue) => ({ queues: [queue] }),
    put: (queue, jobs) => push(queue, jobs),
    delay: (queue, jobs, ms) => push(queue, jobs, { eta: new Date(Date.now() + ms).toISOString().replace("Z", "+00:00") }),
    prioritize: (queue, jobs) => push(queue, jobs, { step: 6 }),
    spoil: async (queue) => {
      await client.set(queue, "text");
    },
    kill: () => redis.kill9(),
    revive: async () => {
      client.destroy();
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
