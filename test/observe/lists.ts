import { z } from "zod";
import { redisBroker } from "../../src/brokers/redis.ts";
import type { RedisReader } from "../../src/brokers/redis-client.ts";
import type { AnyBroker, AnyScaler } from "../../src/core/contract.ts";
import { createObserver } from "../../src/observe/create-observer.ts";
import type { ConnectionState, Observed, ObserverOptions } from "../../src/observe/observer.ts";

export const clock = () => Number(process.hrtime.bigint()) / 1e6;
const length = { name: "length", body: "return redis.call('LLEN', keys[1])" };

/** The least that measures lists: what the real scalers do beyond it is their own tests' matter. */
export const lists = {
  type: "lists",
  summary: "lists, for tests",
  broker: "redis",
  query: z.object({ key: z.string() }),
  everyMs: 1000,
  sight: () => ({ running: false, workers: false }),
  async read(client: RedisReader, queries: readonly { key: string }[], signal: AbortSignal) {
    const asked = queries.map(({ key }) => ({ keys: [key] }));
    const answers = await client.evaluate(length, asked, signal);
    return answers.map((answer) =>
      "problem" in answer ? answer : { reading: { waiting: Number(answer.value), epoch: answer.epoch } },
    );
  },
  wake: (client: RedisReader, { key }: { key: string }, hint: () => void) => client.onChange([key], hint),
} satisfies AnyScaler;

/** An observer of lists on real Redis servers. */
export function observing(options: Partial<ObserverOptions> = {}) {
  const states: ConnectionState[] = [];
  const brokers = new Map<string, AnyBroker>([["redis", redisBroker]]);
  const observer = createObserver({
    brokers,
    clock,
    random: Math.random,
    onConnection: (state) => void states.push(state),
    ...options,
  });
  const watch = (url: string, key: string, intervalMs = 1000) => {
    const seen: Observed[] = [];
    const connection = { name: url, type: "redis", key: url, settings: async () => ({ url }) };
    const watching = observer.watch(
      { scaler: lists, query: { key }, connection, intervalMs },
      (observed) => void seen.push(observed),
    );
    return {
      watching,
      seen,
      waiting: () => watching.observation().reading?.waiting,
      failure: () => watching.observation().failure,
    };
  };
  return { observer, states, watch, [Symbol.asyncDispose]: () => observer[Symbol.asyncDispose]() };
}
