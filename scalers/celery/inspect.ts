import { monotonicMs } from "../../src/brokers/clock.ts";
import { countNodes, type Fleet, isMet, isSilent, laterMs, type Node, nodeOf } from "./node.ts";

/** What one read may wait for answers: others on the same connection wait with it. */
const answerMs = 400;

/** Asks workers (or all) what they work on and what they have in hand. */
export async function meet(fleet: Fleet, names: readonly string[] | undefined, signal: AbortSignal): Promise<void> {
  const others = countNodes(fleet, (node) => isMet(node) && !names?.includes(node.name));
  const to = names && { destination: names, answers: () => Math.max(1, fleet.listeners - others) };
  const ask = (method: string) => fleet.post.call({ method, ...to }, answerMs, signal);
  const [queues, stats, active] = await Promise.all([ask("active_queues"), ask("stats"), ask("active")]);
  const now = monotonicMs();
  for (const [name, answer] of queues.byNode) {
    const node = nodeOf(fleet, name);
    const slots = slotsOf(stats.byNode.get(name));
    if (slots !== undefined) node.slots = slots;
    noteQueues(fleet, node, queueNames(answer));
    noteActive(fleet, node, active.byNode.get(name), now);
    node.askedTimes = 0;
  }
  for (const name of names ?? []) {
    const node = fleet.nodes.get(name);
    const silent = node !== undefined && (node.queues === undefined || isSilent(node, now));
    if (silent) node.askAt = now + laterMs(node.askedTimes++);
  }
}

/** A worker without queues was quieted in an earlier life of ours, or is still starting: it is asked again. */
function noteQueues(fleet: Fleet, node: Node, queues: readonly string[]): void {
  if (fleet.quieted.has(node.name)) return;
  node.quiet = queues.length === 0;
  if (node.quiet) delete node.queues;
  else node.queues = queues;
}

function noteActive(fleet: Fleet, node: Node, answer: unknown, now: number): void {
  if (!Array.isArray(answer)) return;
  node.busy = answer.length;
  node.seenAt = now;
  if (answer.some((task) => task?.acknowledged === false)) fleet.late = true;
}

/** Whether running tasks stand in `unacked` too: looked up while something runs, soon where nobody answered, then every 30 s. */
export async function learnLate(fleet: Fleet, now: number, signal: AbortSignal): Promise<void> {
  const busy = [...fleet.nodes.values()].filter((node) => node.busy > 0 && !node.offline && !isSilent(node, now));
  if (busy.length === 0 || now < fleet.lateAskAt) return;
  fleet.lateAskAt = now + laterMs(fleet.lateAskedTimes++);
  const { byNode } = await fleet.post.call(
    { method: "active", destination: busy.slice(0, 5).map(({ name }) => name) },
    answerMs,
    signal,
  );
  const tasks = [...byNode.values()].flatMap((answer) => (Array.isArray(answer) ? answer : []));
  if (tasks.length === 0) return;
  fleet.late = tasks.some((task) => task?.acknowledged === false);
  fleet.lateAskAt = now + 30_000;
  fleet.lateAskedTimes = 0;
}

/** Exact numbers of quiet workers. `reserved` goes first: a task that begins meanwhile is seen twice, not never. */
export async function inspectQuiet(fleet: Fleet, signal: AbortSignal): Promise<void> {
  const destination = [...fleet.nodes.values()].filter((node) => node.quiet && !node.offline).map(({ name }) => name);
  if (destination.length === 0) return;
  // Who was quieted is often told to stop next, and says goodbye in place of an answer.
  const answers = () => destination.filter((name) => fleet.nodes.get(name)?.offline === false).length;
  const asked = ["reserved", "active"].map((method) => fleet.post.call({ method, destination, answers }, answerMs, signal));
  const [reserved, active] = await Promise.all(asked);
  const now = monotonicMs();
  for (const name of destination) {
    const node = fleet.nodes.get(name);
    const held = reserved?.byNode.get(name);
    if (node === undefined) continue;
    if (!Array.isArray(held) || !Array.isArray(active?.byNode.get(name))) {
      delete node.reserved;
      node.busy = Math.max(1, node.busy);
    } else {
      node.reserved = held.length;
      noteActive(fleet, node, active?.byNode.get(name), now);
    }
  }
}

export function queueNames(answer: unknown): readonly string[] {
  return Array.isArray(answer) ? answer.map((queue) => String(queue?.name ?? "")).filter((name) => name !== "") : [];
}

function slotsOf(stats: unknown): number | undefined {
  const slots = (stats as { pool?: Record<string, unknown> } | undefined)?.pool?.["max-concurrency"];
  return typeof slots === "number" ? slots : undefined;
}
