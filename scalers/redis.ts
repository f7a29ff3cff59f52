import { z } from "zod";
import { duration } from "../src/api/duration.ts";
import { cel, checkOne, complain, exactlyOne, setOf, text } from "../src/api/fields.ts";
import { monotonicMs } from "../src/brokers/clock.ts";
import type { RedisReader, ScriptAnswer, ScriptQuery } from "../src/brokers/redis-client.ts";
import type { Reading, Result, Scaler, Worker } from "../src/core/contract.ts";
import { type KeyNumbers, redisScript } from "./redis/script.ts";

const key = (what: string, example: string) => text(1024).describe(`${what}. Example: \`${example}\`.`);

const list = z.strictObject({
  key: key("Key of the list", "mails"),
  processing: setOf(text(1024))
    .min(1)
    .max(1000)
    .optional()
    .describe(
      "Lists that workers move a job to while they work on it (LMOVE, BRPOPLPUSH): the jobs that are running. Without it these are not " +
        "seen, and `protect: busy` refuses the trigger. Example: `[mails:processing]`.",
    ),
});

const stream = z.strictObject({
  key: key("Key of the stream", "mails"),
  group: text(1024).describe("Consumer group; consumers are named by the worker's id. Example: `mailers`."),
});

/** Scores are doubles: exact up to here. */
const score = () => z.number().min(Number.MIN_SAFE_INTEGER).max(Number.MAX_SAFE_INTEGER);

const sortedSet = z
  .strictObject({
    key: key("Key of the sorted set", "mails:scheduled"),
    upTo: z
      .enum(["all", "now"])
      .default("all")
      .describe(
        "Which members wait: all, or where scores are the times at which jobs become due, those due by now. Example: `now`.",
      ),
    upToScore: score().optional().describe("Instead of `upTo`: members of at most this score wait. Example: `5`."),
    unit: z.enum(["ms", "s"]).default("ms").describe("With `upTo: now`: unit of the scores, times since 1970. Example: `s`."),
    lookAhead: duration({ min: "0s", max: "1h" })
      .prefault("30s")
      .describe("With `upTo: now`: jobs that are due within this time are seen coming. Example: `10s`."),
  })
  .superRefine(({ upTo, upToScore }, context) => {
    if (upTo === "all" || upToScore === undefined) return;
    complain(context, "one-score", ["upToScore"], "must not stand beside `upTo: now`");
  })
  .meta(cel({ rule: "self.upTo == 'all' || !has(self.upToScore)", message: "`upToScore` must not stand beside `upTo: now`" }));

const kinds = ["list", "stream", "sortedSet", "set", "hash"] as const;

const query = z
  .strictObject({
    list: list.optional().describe("A list: LLEN is what waits."),
    stream: stream
      .optional()
      .describe(
        "A stream with a consumer group: what the group has not read waits, what it has not acknowledged is running. " +
          "Both must be there before the first worker: the producer makes them.",
      ),
    sortedSet: sortedSet.optional().describe("A sorted set: its members wait, all, up to a score, or those that are due."),
    set: z
      .strictObject({ key: key("Key of the set", "mails") })
      .optional()
      .describe("A set: its members wait."),
    hash: z
      .strictObject({ key: key("Key of the hash", "mails") })
      .optional()
      .describe("A hash: its fields wait."),
  })
  .superRefine((value, context) => void checkOne(kinds, value, "one-redis-kind", context))
  .meta(cel(exactlyOne(kinds)));
type Query = z.output<typeof query>;

/** Keys of Redis that hold jobs. A missing key is an empty queue, for that is how Redis spells it; a missing stream is not. */
export const redis: Scaler<Query, RedisReader> = {
  type: "redis",
  summary: "A list, stream, sorted set, set or hash in Redis that holds jobs.",
  broker: "redis",
  query,
  everyMs: 1000,
  sight: ({ list, stream }) => ({
    running: stream !== undefined || list?.processing !== undefined,
    workers: stream !== undefined,
    ...(list && { shownBy: "`redis.list.processing` (the list that workers move jobs to)" }),
  }),

  async read(client, queries, signal) {
    const asked = askedOf(queries);
    const { answers: before, results } = asked;
    const at = monotonicMs();
    const answers = await client.evaluate(redisScript, asked.questions, signal);
    if (answers === before) return results;
    asked.answers = answers;
    asked.results = answers.map((answer, i) => (answer === before[i] && results[i]) || toResult(answer, at));
    return asked.results;
  },

  wake(client, query, hint) {
    // Not the lists of jobs in hand: no growth depends on them.
    return client.onChange(asQuestion(query).keys.slice(0, 1), hint);
  },
};

type Asked = { readonly questions: readonly ScriptQuery[]; answers: readonly ScriptAnswer[]; results: readonly Result[] };

/** What was asked and answered last, by the list of queries, which stays the same from round to round. */
const lastAsked = new WeakMap<readonly Query[], Asked>();

function askedOf(queries: readonly Query[]): Asked {
  let asked = lastAsked.get(queries);
  if (asked === undefined) {
    asked = { questions: queries.map(asQuestion), answers: [], results: [] };
    lastAsked.set(queries, asked);
  }
  return asked;
}

function asQuestion({ list, stream, sortedSet, set, hash }: Query): ScriptQuery {
  if (list?.processing) return { keys: [list.key, ...list.processing], args: ["list"] };
  if (list) return { keys: [list.key] };
  if (stream) return { keys: [stream.key], args: ["stream", stream.group] };
  if (set) return { keys: [set.key], args: ["set"] };
  if (hash) return { keys: [hash.key], args: ["hash"] };
  return sortedSet ? asSortedSet(sortedSet) : { keys: [""] };
}

function asSortedSet({ key, upTo, upToScore, unit, lookAhead }: NonNullable<Query["sortedSet"]>): ScriptQuery {
  if (upTo === "now") return { keys: [key], args: ["sortedSet", "now", unit === "s" ? 1000 : 1, lookAhead] };
  return { keys: [key], args: upToScore === undefined ? ["sortedSet"] : ["sortedSet", upToScore] };
}

function toResult(answer: ScriptAnswer, at: number): Result {
  if ("problem" in answer) return answer;
  const { epoch } = answer;
  const value = answer.value as KeyNumbers;
  if (typeof value === "number") return { reading: { waiting: value, epoch } };
  if (typeof value === "string") return { problem: { kind: "missing", message: value } };
  if (!Array.isArray(value)) return { problem: { kind: "invalid", message: `the count is ${value}, which is no number` } };
  const [waiting, dueSoon, running, oldestMs, enqueued, finished, consumers] = value;
  const reading: Reading = {
    waiting,
    epoch,
    sampledAt: at,
    ...(dueSoon !== null && { dueSoon }),
    ...(running !== null && { running }),
    ...(oldestMs !== null && { oldestMs: Math.max(0, oldestMs) }),
    ...(enqueued !== null && { enqueued }),
    ...(finished !== null && finished >= 0 && { finished }),
    ...(consumers !== null && { workers: workersOf(consumers, at) }),
  };
  return { reading };
}

/** A consumer that died keeps its entries until another one claims them: whether it is there, the target knows. */
function workersOf(consumers: readonly (string | number)[], seenAt: number): readonly Worker[] {
  const workers: Worker[] = [];
  for (let i = 0; i < consumers.length; i += 2) {
    workers.push({ id: String(consumers[i]), busy: Number(consumers[i + 1]), seenAt });
  }
  return workers;
}
