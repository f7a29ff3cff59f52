import { z } from "zod";
import { duration } from "../src/api/duration.ts";
import { text } from "../src/api/fields.ts";
import { askEach } from "../src/brokers/ask-each.ts";
import { monotonicMs } from "../src/brokers/clock.ts";
import type { WebReader } from "../src/brokers/web-broker.ts";
import type { Problem, Result, Scaler } from "../src/core/contract.ts";
import { type Measured, measure } from "./prometheus/measure.ts";

const expression = (what: string, example: string) => text(8192).describe(`${what}. Example: \`${example}\`.`);

const query = z.strictObject({
  waiting: expression("PromQL: how many jobs wait; exactly one number", 'sum(jobs_waiting{queue="mails"})'),
  running: expression(
    "PromQL: how many jobs are in hand; without it nothing proves a worker idle",
    "sum(jobs_running)",
  ).optional(),
  oldestSeconds: expression("PromQL: for how long the oldest waiting job has waited", "max(job_age_seconds)").optional(),
  enqueued: expression("PromQL: how many jobs ever came: a counter", "sum(jobs_added_total)").optional(),
  finished: expression("PromQL: how many jobs ever ended: a counter", "sum(jobs_done_total)").optional(),
  maxAge: duration({ min: "1s", max: "24h" })
    .prefault("2m")
    .describe("Samples older than this are not known: two or three times the scrape interval. Example: `1m`."),
});
type Query = z.output<typeof query>;

/** Numbers that Prometheus has scraped. Nothing, NaN, several numbers and old samples are not known: never zero. */
export const prometheus: Scaler<Query, WebReader> = {
  type: "prometheus",
  summary: "Queries of Prometheus that tell how many jobs wait and run.",
  broker: "prometheus",
  query,
  everyMs: 5000,
  sight: ({ running }) => ({
    running: running !== undefined,
    workers: false,
    shownBy: "`prometheus.running` (where it stands how many jobs are in hand)",
  }),

  async read(client, queries, signal) {
    const askedAt = monotonicMs();
    const measured = await askEach(queries.flatMap(expressionsOf), (one) => measure(client, one), signal);
    return queries.map((query) => toResult(query, measured, { askedAt, epoch: client.epoch }));
  },
};

const expressionsOf = ({ waiting, running, oldestSeconds, enqueued, finished }: Query): readonly string[] =>
  [waiting, running, oldestSeconds, enqueued, finished].filter((one) => one !== undefined);

type Round = Readonly<{ askedAt: number; epoch: string }>;

function toResult(query: Query, measured: ReadonlyMap<string, Measured | Problem>, { askedAt, epoch }: Round): Result {
  const { maxAge } = query;
  const found = (expression: string | undefined) => fresh(measured.get(expression ?? ""), maxAge);
  const [waiting, running] = [found(query.waiting), found(query.running)];
  if ("kind" in waiting) return { problem: waiting };
  const age = Math.max(waiting.ageMs ?? maxAge, "kind" in running ? 0 : (running.ageMs ?? maxAge));
  const [oldest, enqueued, finished] = [query.oldestSeconds, query.enqueued, query.finished].map(found);
  return {
    reading: {
      waiting: Math.ceil(waiting.value),
      ...("kind" in running
        ? query.running !== undefined && { runningUnknown: running.message }
        : { running: Math.ceil(running.value) }),
      ...(waiting.value > 0 && oldest && !("kind" in oldest) && { oldestMs: oldest.value * 1000 }),
      ...(enqueued && !("kind" in enqueued) && { enqueued: Math.floor(enqueued.value) }),
      ...(finished && !("kind" in finished) && { finished: Math.floor(finished.value) }),
      epoch,
      sampledAt: askedAt - age,
    },
  };
}

/** What nobody asked for is not known either. */
function fresh(found: Measured | Problem | undefined, maxAge: number): Measured | Problem {
  if (found === undefined) return { kind: "missing", message: "it was not asked for" };
  if ("kind" in found || (found.ageMs ?? 0) <= maxAge) return found;
  const age = Math.round((found.ageMs ?? 0) / 1000);
  return { kind: "missing", message: `the newest sample is ${age} s old, and \`maxAge\` is ${maxAge / 1000} s` };
}
