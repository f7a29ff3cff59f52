import { z } from "zod";
import { cel, checkOne, complain, exactlyOne, text } from "../src/api/fields.ts";
import type { QueueNumbers, RabbitReader, Survey } from "../src/brokers/rabbitmq-client.ts";
import { BrokerError, type Problem, type Result, type Scaler } from "../src/core/contract.ts";
import { readingOf } from "./rabbitmq/reading.ts";

const ways = ["queue", "pattern"] as const;

const query = z
  .strictObject({
    queue: text(255).optional().describe("Name of the queue. Example: `mails`."),
    pattern: text(512)
      .optional()
      .describe("Instead of `queue`: a regular expression that whole names of queues match. Example: `mails\\..*`."),
    combine: z
      .enum(["sum", "max"])
      .default("sum")
      .describe("With `pattern`: what waits is that of all matching queues, or of the longest. Example: `max`."),
    vhost: text(256).optional().describe("Virtual host; absent: that of the connection. Example: `shop`."),
  })
  .superRefine(({ queue, pattern }, context) => {
    checkOne(ways, { queue, pattern }, "one-queue-way", context);
    if (pattern !== undefined && wholeName(pattern) === undefined) {
      complain(context, "queue-pattern", ["pattern"], "must be a regular expression");
    }
  })
  .meta(cel(exactlyOne(ways)));
type Query = z.output<typeof query>;

/**
 * Queues of RabbitMQ. What is ready comes as it is now; what is in hand is what was delivered and not acknowledged, as the
 * management API tells it: at once of classic queues, from statistics (5 s old at most) of quorum queues. There is no
 * wake-up: RabbitMQ tells nobody that a message has come, but by giving it away.
 */
export const rabbitmq: Scaler<Query, RabbitReader> = {
  type: "rabbitmq",
  summary: "A queue of RabbitMQ, classic, quorum or stream, or all queues whose names match.",
  broker: "rabbitmq",
  query,
  everyMs: 1000,
  sight: () => ({ running: true, workers: true }),

  async read(client, queries, signal) {
    const places = Map.groupBy(queries, ({ vhost = client.vhost }) => vhost);
    const surveys = new Map<string, Survey | Problem>();
    await Promise.all([...places].map(async ([vhost, own]) => surveys.set(vhost, await surveyOf(client, vhost, own, signal))));
    return queries.map((query) => toResult(query, surveys.get(query.vhost ?? client.vhost)));
  },
};

/** A virtual host besides the connection's own may fail alone. */
async function surveyOf(client: RabbitReader, vhost: string, queries: readonly Query[], signal: AbortSignal) {
  const queues = queries.flatMap(({ queue }) => queue ?? []);
  const patterns = queries.flatMap(({ pattern }) => wholeName(pattern) ?? []);
  try {
    return await client.survey(vhost, queues, patterns, signal);
  } catch (error) {
    if (vhost === client.vhost || signal.aborted || !(error instanceof BrokerError)) throw error;
    return error.problem;
  }
}

function toResult(query: Query, survey: Survey | Problem | undefined): Result {
  if (survey === undefined) return { problem: { kind: "internal", message: "the virtual host was left out of the answer" } };
  if ("kind" in survey) return { problem: survey };
  const names = namesOf(query, survey);
  if ("kind" in names) return { problem: names };
  const found = names.map((name) => survey.of(name));
  const problem = found.find((one) => "kind" in one);
  if (problem !== undefined) return { problem };
  return { reading: readingOf(found as readonly QueueNumbers[], query.combine, survey) };
}

/** Nobody's jobs wait in them: replies, what Celery's workers say to each other, and its ladder of delays, which all queues share. */
const notWork = /^(?:amq\.gen-.*|celeryev\..*|celery_delayed_\d+|.*\.celery\.pidbox)$/su;

/** The names that a query is about; nothing that matches is no empty queue. */
function namesOf({ queue, pattern = "" }: Query, { names, blind, matching }: Survey): readonly string[] | Problem {
  if (queue !== undefined) return [queue];
  if (names === undefined) return blind ?? { kind: "missing", message: "`pattern` needs the management API" };
  const expression = wholeName(pattern);
  const matches = expression && matching(expression);
  if (matches === undefined)
    return { kind: "invalid", message: `'${pattern}' takes too long on the names of queues: simplify it` };
  const found = matches.filter((name) => !notWork.test(name));
  return found.length > 0 ? found : { kind: "missing", message: `no queue matches '${pattern}'` };
}

function wholeName(pattern: string | undefined): RegExp | undefined {
  if (pattern === undefined) return undefined;
  try {
    return new RegExp(`^(?:${pattern})$`, "u");
  } catch {
    return undefined;
  }
}
