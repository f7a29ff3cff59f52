import type { Gauge, Heard, Known, SubscriptionSettings } from "../../src/brokers/pubsub-client.ts";
import type { Problem, Reading, Result } from "../../src/core/contract.ts";
import { adviceOf } from "./advice.ts";

/** What a reading is made with besides what is known: `now` on both clocks at once. */
export type Frame = Readonly<{
  id: string;
  /** Why there can be no gauge at all. */
  blind?: string | undefined;
  epoch: string;
  now: Readonly<{ wall: number; monotonic: number }>;
}>;

/** A message that was published so long before a point, or less, may not be in it yet. */
const settlingMs = 15_000;
/** So long a message that was heard of stands for a gauge that does not come. */
const heardMs = 300_000;

/** One result. Without a number and without news it is not known: never zero. */
export function resultOf(known: Known | Problem, frame: Frame): Result {
  if ("kind" in known) return { problem: known };
  const unfit = known.settings && unfitness(known.settings, frame.id);
  if (unfit) return { problem: unfit };
  const counted = known.gauge ? ofGauge(known.gauge, known.heard, frame) : ofNews(known.heard, frame);
  if (counted === undefined) return { problem: silence(frame) };
  const advice = adviceOf(known);
  const reading: Reading = {
    ...counted,
    runningUnknown: "Pub/Sub counts messages in hand as waiting (use `waitingPerReplica`)",
    ...(advice.length > 0 && { advice }),
    ...(known.settings && { leaseMs: known.settings.ackDeadlineMs }),
    epoch: frame.epoch,
  };
  return { reading };
}

/** Workers get nothing from it, whatever is counted. */
function unfitness({ detached, pushed }: SubscriptionSettings, id: string): Problem | undefined {
  if (detached) {
    const message = `subscription '${id}' is detached from its topic: it gets no messages, and has lost those it had; make it anew`;
    return { kind: "missing", message };
  }
  if (!pushed) return undefined;
  return { kind: "invalid", message: `subscription '${id}' pushes its messages: workers that pull need one without an endpoint` };
}

type Counted = Readonly<{ waiting: number; oldestMs?: number; sampledAt: number }>;

/**
 * The number of Google, and what was published since it was taken. Nobody acknowledges anything while the pool is at zero,
 * where alone we hear; afterwards it is too much, until the next number.
 */
function ofGauge({ undelivered, oldestMs, at }: Gauge, heard: Heard | undefined, { now }: Frame): Counted {
  const waiting = heard ? Math.max(undelivered + heard.since(at), heard.since(at - settlingMs)) : undelivered;
  const sampledAt = Math.min(now.monotonic, now.monotonic - (now.wall - at));
  return { waiting, ...(undelivered > 0 && oldestMs !== undefined && { oldestMs }), sampledAt };
}

function ofNews(heard: Heard | undefined, { now }: Frame): Counted | undefined {
  const waiting = heard?.since(now.wall - heardMs) ?? 0;
  return waiting > 0 ? { waiting, sampledAt: now.monotonic } : undefined;
}

function silence({ blind, id }: Frame): Problem {
  if (blind !== undefined) return { kind: "missing", message: blind };
  const message = `Cloud Monitoring has no number of subscription '${id}' of the last 5 min, which is not zero: new and idle ones have none`;
  return { kind: "loading", message };
}
