import { redisBroker } from "../../src/brokers/redis.ts";
import type { RedisReader, Script, ScriptAnswer } from "../../src/brokers/redis-client.ts";
import type { RedisSettings } from "../../src/brokers/redis-settings.ts";
import type { Session } from "../../src/core/contract.ts";
import { soon } from "../support/scaler-lab.ts";

export const llen: Script = { name: "llen", body: "return redis.call('LLEN', keys[1])" };

export const open = (settings: Partial<RedisSettings>, ms?: number): Promise<Session<RedisReader>> =>
  redisBroker.open(settings as RedisSettings, soon(ms));

/** Lengths of lists, or the kind of problem that each one has. */
export async function lengths(client: RedisReader, keys: readonly string[], signal = soon()): Promise<readonly unknown[]> {
  const queries = keys.map((key) => ({ keys: [key] }));
  return (await client.evaluate(llen, queries, signal)).map((answer) =>
    "problem" in answer ? answer.problem.kind : answer.value,
  );
}

export async function oneAnswer(client: RedisReader, key: string): Promise<ScriptAnswer> {
  const [answer] = await client.evaluate(llen, [{ keys: [key] }], soon());
  if (!answer) throw new Error("no answer");
  return answer;
}
