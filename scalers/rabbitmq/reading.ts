import type { Holder, QueueNumbers, Survey } from "../../src/brokers/rabbitmq-client.ts";
import type { Reading, Worker } from "../../src/core/contract.ts";

/** One reading of all these queues. A sum over what is not all known is not known. */
export function readingOf(found: readonly QueueNumbers[], combine: "sum" | "max", { epoch, blind }: Survey): Reading {
  const waiting = found.map(({ ready }) => ready);
  const running = total(found.map(({ unacked }) => unacked));
  const [enqueued, finished] = [total(found.map(({ published }) => published)), total(found.map(({ settled }) => settled))];
  const headAt = Math.min(...found.map((one) => one.headAt ?? Number.POSITIVE_INFINITY));
  const sampledAt = Math.min(...found.map((one) => one.sampledAt));
  const workers = workersOf(
    found.map(({ holders }) => holders),
    sampledAt,
  );
  return {
    waiting: combine === "max" ? Math.max(...waiting) : waiting.reduce((sum, one) => sum + one, 0),
    // The brake is the sum in any case: whoever works, works.
    ...(running === undefined ? { runningUnknown: blind?.message ?? "RabbitMQ has no statistics of it yet" } : { running }),
    ...(Number.isFinite(headAt) && { oldestMs: Math.max(0, Date.now() - headAt) }),
    ...(enqueued !== undefined && { enqueued }),
    ...(finished !== undefined && { finished }),
    ...(workers && { workers: proven(workers, running) }),
    epoch,
    sampledAt,
  };
}

/**
 * Who is busy is older than how much is: while more is in hand than anybody is known to hold, some who seem idle hold the
 * rest. They are left out, so that nothing proves them idle.
 */
function proven(workers: readonly Worker[], running = 0): readonly Worker[] {
  const claimed = workers.reduce((sum, { busy }) => sum + busy, 0);
  return running > claimed ? workers.filter(({ busy }) => busy > 0) : workers;
}

function total(counts: readonly (number | undefined)[]): number | undefined {
  let sum = 0;
  for (const count of counts) {
    if (count === undefined) return undefined;
    sum += count;
  }
  return sum;
}

/** Who works on several of the queues has all that it holds counted once: RabbitMQ tells it by channel, not by queue. */
function workersOf(lists: readonly (readonly Holder[] | undefined)[], seenAt: number): readonly Worker[] | undefined {
  const workers = new Map<string, Worker>();
  for (const holders of lists) {
    if (holders === undefined) return undefined;
    for (const { id, host, busy } of holders) {
      workers.set(id, { id, host, busy: Math.max(busy, workers.get(id)?.busy ?? 0), seenAt });
    }
  }
  return [...workers.values()];
}
