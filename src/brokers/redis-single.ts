import { randomUUID } from "node:crypto";
import { ErrorReply } from "@redis/client";
import { BrokerError } from "../core/contract.ts";
import { abortable } from "./abortable.ts";
import { answerOf, createBatch, shiftedProblem } from "./redis-batch.ts";
import type { RedisReader, RedisValue, ScriptAnswer, ScriptQuery } from "./redis-client.ts";
import type { Identity } from "./redis-identity.ts";
import type { Link } from "./redis-link.ts";
import { redisProblem } from "./redis-problem.ts";
import type { Tracker } from "./redis-tracker.ts";

/** Reads from one server. `onIdentity` is told with each batch who answered. */
export function createSingleReader(
  link: Link,
  tracker: Tracker,
  database: number,
  onIdentity?: (identity: Identity) => void,
): RedisReader {
  const batch = createBatch(link, tracker);
  const answered = new WeakMap<readonly ScriptQuery[], readonly ScriptAnswer[]>();
  return {
    database,
    async evaluate(script, queries, signal) {
      if (queries.length === 0) return [];
      const chunks = batch.split(script, queries);
      const asked = Promise.all([batch.run(script, queries, chunks), link.identity()]);
      const [raws, identity] = await abortable(asked, signal);
      onIdentity?.(identity);
      const before = answered.get(queries) ?? [];
      let after: ScriptAnswer[] | undefined;
      for (const [at, chunk] of chunks.entries()) {
        for (const [place, index] of chunk.entries()) {
          const answer = answerOf(identity, raws[at]?.[place] ?? null, before[index]);
          if (answer === before[index]) continue;
          after ??= [...before];
          after[index] = answer;
        }
      }
      if (after === undefined) return before;
      answered.set(queries, after);
      return after;
    },
    command: (words, signal) => abortable(verified(link, words), signal),
    onChange: tracker.watch,
    subscribe: (pattern, listener, signal) => abortable(link.subscribe(pattern, listener, signal), signal),
  };
}

/** One command, and proof that its answer is its own: an ECHO right behind it. */
export async function verified(link: Link, words: readonly string[]): Promise<RedisValue> {
  const nonce = randomUUID();
  const [answer, echo] = await Promise.allSettled([link.send(words), link.send(["ECHO", nonce])]);
  const shifted = echo.status === "fulfilled" && echo.value !== nonce;
  if (shifted) {
    link.destroy(shiftedProblem);
    throw new BrokerError(shiftedProblem);
  }
  // A user who may not ECHO gets an error for it, which is an answer in its place as well.
  if (echo.status === "rejected" && !(echo.reason instanceof ErrorReply)) throw echo.reason;
  if (answer.status === "fulfilled") return answer.value;
  throw new BrokerError(redisProblem(answer.reason));
}
