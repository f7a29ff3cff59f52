import { abortable } from "../../src/brokers/abortable.ts";
import { monotonicMs } from "../../src/brokers/clock.ts";
import type {
  ExternalQuery,
  ExternalReader,
  ExternalReading,
  ExternalResult,
  ExternalWorker,
} from "../../src/brokers/external-client.ts";
import type { Result, Worker } from "../../src/core/contract.ts";
import type { Query } from "./query.ts";

export const queryOf = ({ metadata }: Pick<Query, "metadata">, client: ExternalReader): ExternalQuery => ({
  metadata: { ...metadata, ...client.metadata },
});

/** All in one call. */
export async function readReadings(
  client: ExternalReader,
  queries: readonly Query[],
  signal: AbortSignal,
): Promise<readonly Result[]> {
  if (queries.length === 0) return [];
  const askedAt = monotonicMs();
  const asked = { queries: queries.map((query) => queryOf(query, client)) };
  const { results } = await abortable(client.call("Read", asked), signal);
  const epoch = client.epoch();
  return queries.map((_, at) => resultOf(results[at], { askedAt, epoch }));
}

type Round = Readonly<{ askedAt: number; epoch: string }>;

function resultOf(result: ExternalResult | undefined, round: Round): Result {
  const { reading, problem } = result ?? {};
  if (problem) return { problem: { kind: problem.missing ? "missing" : "unreachable", message: problem.message.slice(0, 200) } };
  if (!reading) return { problem: { kind: "invalid", message: "it gives no answer to this query" } };
  return { reading: readingOf(reading, round) };
}

function readingOf(told: ExternalReading, { askedAt, epoch }: Round) {
  const sampledAt = askedAt - Math.max(0, told.age_seconds) * 1000;
  const { waiting, due_soon: dueSoon, running, reserved, oldest_seconds: oldest, ceiling, enqueued, finished, workers } = told;
  return {
    ...(waiting !== undefined && { waiting }),
    ...(dueSoon !== undefined && { dueSoon }),
    ...(running !== undefined && { running }),
    ...(reserved !== undefined && { reserved }),
    ...(oldest !== undefined && { oldestMs: oldest * 1000 }),
    ...(ceiling !== undefined && { ceiling, ceilingReason: told.ceiling_reason || "as the scaler says" }),
    ...(enqueued !== undefined && { enqueued }),
    ...(finished !== undefined && { finished }),
    ...(workers && { workers: workers.workers.map((worker) => workerOf(worker, sampledAt)) }),
    // The same connection may lead to other data, and other connections to the same.
    epoch: `${epoch}/${told.epoch}`,
    sampledAt,
  };
}

function workerOf({ id, host, busy, slots, reserved, quiet }: ExternalWorker, seenAt: number): Worker {
  return {
    id,
    busy,
    ...(host !== "" && { host }),
    ...(slots !== undefined && { slots }),
    ...(reserved !== undefined && { reserved }),
    ...(quiet && { quiet }),
    seenAt,
  };
}
