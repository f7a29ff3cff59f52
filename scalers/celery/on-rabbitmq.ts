import { monotonicMs } from "../../src/brokers/clock.ts";
import type { QueueNumbers, RabbitReader, Survey } from "../../src/brokers/rabbitmq-client.ts";
import { BrokerError, type Problem, type Result } from "../../src/core/contract.ts";
import { amqpPost } from "./amqp-post.ts";
import { asleepInHand, asleepInQueue, learnAsleep } from "./asleep.ts";
import { crewOf } from "./crew.ts";
import { fleetOf, refresh } from "./fleet.ts";
import type { Fleet } from "./node.ts";

type Query = Readonly<{ queues: readonly string[]; lookAhead: number }>;

/**
 * Celery on RabbitMQ. Priorities are one queue's own matter here, and what a worker that died held is back at once, so
 * that the numbers of the queues and the word of the workers are all there is.
 */
export async function readOnRabbit(
  client: RabbitReader,
  queries: readonly Query[],
  signal: AbortSignal,
): Promise<readonly Result[]> {
  const sampledAt = monotonicMs();
  const queues = [...new Set(queries.flatMap(({ queues }) => queues))];
  const survey = await client.survey(client.vhost, queues, [], signal);
  const fleet = await freshFleet(client, survey, queues, signal);
  return queries.map((query) => toResult(query, survey, fleet, sampledAt));
}

/** The workers; or why they are not known: no management API that names their mailboxes, no right to speak to them. */
async function freshFleet(
  client: RabbitReader,
  survey: Survey,
  queues: readonly string[],
  signal: AbortSignal,
): Promise<Fleet | Problem> {
  const post = amqpPost(client);
  post.note(survey.names, survey.blind);
  if (survey.blind) return survey.blind;
  try {
    const fleet = await fleetOf(post, signal);
    await refresh(fleet, signal);
    const held = queues.some((queue) => ((survey.of(queue) as Partial<QueueNumbers>).unacked ?? 0) > 0);
    if (held) await learnAsleep(fleet, signal);
    return fleet;
  } catch (error) {
    if (signal.aborted) throw error;
    return error instanceof BrokerError ? error.problem : { kind: "internal", message: "the workers could not be asked" };
  }
}

function toResult({ queues, lookAhead }: Query, survey: Survey, fleet: Fleet | Problem, sampledAt: number): Result {
  const found = queues.map((queue) => survey.of(queue));
  const problem = found.find((one) => "kind" in one);
  if (problem !== undefined) return { problem };
  const numbers = found as readonly QueueNumbers[];
  const ready = numbers.reduce((sum, one) => sum + one.ready, 0);
  const unacked = numbers.reduce<number | undefined>(
    (sum, one) => (sum === undefined || one.unacked === undefined ? undefined : sum + one.unacked),
    0,
  );
  const headAt = Math.min(...numbers.map((one) => one.headAt ?? Number.POSITIVE_INFINITY));
  const counts = { ready, unacked, lookAhead };
  return {
    reading: {
      ...("kind" in fleet ? { waiting: ready, runningUnknown: fleet.message } : inHand(fleet, new Set(queues), counts)),
      ...(Number.isFinite(headAt) && { oldestMs: Math.max(0, Date.now() - headAt) }),
      epoch: survey.epoch,
      sampledAt,
    },
  };
}

type Counts = Readonly<{ ready: number; unacked: number | undefined; lookAhead: number }>;

/** What waits, and what workers have in hand, told apart as on Redis: see `account` there. */
function inHand(fleet: Fleet, queues: ReadonlySet<string>, { ready, unacked, lookAhead }: Counts) {
  const now = Date.now();
  const back = asleepInQueue(fleet, queues, ready, now, lookAhead);
  const held = unacked === 0 ? { soon: 0, later: 0 } : asleepInHand(fleet, queues, now, lookAhead);
  const { complete, running, workers, finished } = crewOf(fleet, queues, monotonicMs());
  const begun = fleet.late ? running : 0;
  return {
    waiting: ready - back.soon - back.later,
    dueSoon: back.soon + held.soon,
    ...(complete
      ? {
          running,
          workers,
          ...(unacked !== undefined && { reserved: Math.max(0, unacked - begun - held.soon - held.later) }),
          ...(finished !== undefined && { finished }),
        }
      : { runningUnknown: "not every worker has told its name yet" }),
  };
}
