import { setTimeout as sleep } from "node:timers/promises";
import { monotonicMs } from "../../src/brokers/clock.ts";
import { BrokerError } from "../../src/core/contract.ts";
import { queueNames } from "./inspect.ts";
import type { Fleet, Node } from "./node.ts";

/** For how long one worker is asked: it looks into its mailbox between messages, within milliseconds unless it hangs. */
const patienceMs = 5000;
/** A worker that has just begun gets no mail yet, so one question is given up early and asked again. */
const answerMs = 500;

/**
 * Takes a worker's queues from it (`cancel_consumer`), all of them, or gives them back (`add_consumer`, which finds the
 * queue's exchange and routing key in the worker's own configuration). Both answer before they have taken effect, so
 * this resolves when the worker itself names the queues that it should have. Mailbox and queues are read by the same
 * loop of the worker: what it had fetched before that answer shows in all its next ones.
 */
export async function setQuiet(
  fleet: Fleet,
  node: Node,
  on: boolean,
  fallback: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const ask = { fleet, name: node.name, until: monotonicMs() + patienceMs, signal };
  let now = await consuming(ask);
  const had = fleet.quieted.get(node.name) ?? [];
  const known = on ? [...new Set([...had, ...now])] : had;
  // Kept from the moment on that it may take effect. Of one that was quieted in an earlier session of ours only the
  // trigger's own queues are known: with none it would stay, for ever, and be seen on no queue.
  const queues = known.length > 0 ? known : fallback;
  fleet.quieted.set(node.name, queues);
  node.queues = queues;
  if (!on) node.quiet = false;
  const method = on ? "cancel_consumer" : "add_consumer";
  for (;;) {
    const wrong = on ? now : queues.filter((queue) => !now.includes(queue));
    if (wrong.length === 0) break;
    await Promise.all(wrong.map((queue) => fleet.post.call(toOne(node.name, method, { queue }), answerMs, signal)));
    now = await consuming(ask);
  }
  if (on) node.quiet = true;
  else {
    fleet.quieted.delete(node.name);
    delete node.reserved;
  }
}

const toOne = (name: string, method: string, words = {}) => ({ method, arguments: words, destination: [name] });

type Question = Readonly<{ fleet: Fleet; name: string; until: number; signal: AbortSignal }>;

async function consuming({ fleet, name, until, signal }: Question): Promise<readonly string[]> {
  while (monotonicMs() < until) {
    const { byNode } = await fleet.post.call(toOne(name, "active_queues"), answerMs, signal);
    if (byNode.has(name)) return queueNames(byNode.get(name));
    await sleep(50, undefined, { signal });
  }
  throw new BrokerError({ kind: "timeout", message: `worker ${name} does not answer` });
}
