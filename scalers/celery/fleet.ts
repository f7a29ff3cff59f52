import { monotonicMs } from "../../src/brokers/clock.ts";
import type { Post } from "./post.ts";

/** One worker (a "node" in Celery), as its heartbeats and its answers tell. */
export type Node = {
  /** `id@host`. */
  readonly name: string;
  busy: number;
  /** Tasks that it has ever begun. */
  begun?: number;
  /** Of the newest heartbeat or answer, monotonic ms. */
  seenAt: number;
  /** Since when it is silent and not among those that are connected, monotonic ms. */
  missedAt?: number;
  /** It has said that it goes; tasks in hand go on. */
  offline: boolean;
  /** Names of the queues that it works on; not known before it has answered. */
  queues?: readonly string[];
  slots?: number;
  /** It beats; else it speaks only when asked. */
  beats: boolean;
  /** It works on no queue now, as it has said itself. */
  quiet: boolean;
  /** Exact, from a quiet worker: what it holds and has not begun. */
  reserved?: number;
  /** Ask again from then on, while it does not answer. */
  askAt: number;
  askedTimes: number;
};

/** All that is known of the workers that one post reaches; kept with the session that heard it. */
export type Fleet = {
  readonly post: Post;
  readonly nodes: Map<string, Node>;
  /** The queues that each quieted worker had. */
  readonly quieted: Map<string, readonly string[]>;
  /** Tasks ended by workers that are gone, by their queues. */
  readonly retired: Map<string, { queues: readonly string[]; tasks: number }>;
  /** When heartbeats began to be heard; one comes every 2 s. */
  subscribedAt: number;
  listeners: number;
  countedAt: number;
  /** Connected workers that nobody has a name for: then how much runs is not known. */
  nameless: number;
  /** Tasks are acknowledged when they end (`acks_late`), so running ones are in `unacked` too; false until seen. */
  late: boolean;
  lateAskedAt: number;
  /** When to ask all again who they are, while some are nameless; and how often that was in vain. */
  meetAt: number;
  meetTimes: number;
  /** Told of each worker that is gone for good, before it is forgotten. */
  onGone: ((node: Node) => void) | undefined;
};

/** Three beats of 2 s: a worker silent for longer is gone, or its main loop is blocked by a task (pool `solo`). */
export const silentMs = 6000;
const twoBeatsMs = 4500;
/** With one beat of every worker heard, ms. */
export const firstBeatsMs = 2500;
const countMs = 5000;
/** Workers without heartbeats are asked as often as others beat. */
const askEveryMs = 2000;
/** What one read may wait for answers: others on the same connection wait with it. */
const answerMs = 400;

const fleets = new WeakMap<Post, Fleet>();

/** The fleet of a post; begins to listen to its heartbeats at the first call, and again where they were lost. */
export async function fleetOf(post: Post, signal: AbortSignal): Promise<Fleet> {
  const fleet = fleets.get(post) ?? newFleet(post);
  fleets.set(post, fleet);
  fleet.subscribedAt = await post.listen((event) => hear(fleet, event, monotonicMs()), signal);
  return fleet;
}

function newFleet(post: Post): Fleet {
  const never = Number.NEGATIVE_INFINITY;
  return {
    post,
    nodes: new Map(),
    quieted: new Map(),
    retired: new Map(),
    subscribedAt: 0,
    listeners: 0,
    countedAt: never,
    nameless: 0,
    late: false,
    lateAskedAt: never,
    meetAt: never,
    meetTimes: 0,
    onGone: undefined,
  };
}

function nodeOf(fleet: Fleet, name: string): Node {
  const node = fleet.nodes.get(name) ?? {
    name,
    busy: 0,
    seenAt: 0,
    offline: false,
    beats: false,
    quiet: false,
    askAt: 0,
    askedTimes: 0,
  };
  fleet.nodes.set(name, node);
  return node;
}

/** Takes in one event of a worker (`worker-online`, `-heartbeat`, `-offline`). */
export function hear(fleet: Fleet, event: unknown, now: number): void {
  if (typeof event !== "object" || event === null) return;
  const { hostname, active, processed, type } = event as Readonly<Record<string, unknown>>;
  if (typeof hostname !== "string") return;
  const old = fleet.nodes.get(hostname);
  // A restart under the same name begins to count anew.
  if (old?.begun !== undefined && typeof processed === "number" && processed < old.begun) retire(fleet, old);
  const node = nodeOf(fleet, hostname);
  node.seenAt = now;
  node.offline = type === "worker-offline";
  node.beats = true;
  if (typeof active === "number") node.busy = active;
  if (typeof processed === "number") node.begun = processed;
  if (node.offline && node.busy === 0) retire(fleet, node);
}

function retire(fleet: Fleet, node: Node): void {
  fleet.onGone?.(node);
  fleet.nodes.delete(node.name);
  fleet.quieted.delete(node.name);
  const queues = node.queues ?? [];
  const sum = fleet.retired.get(queues.join("\0")) ?? { queues, tasks: 0 };
  sum.tasks += Math.max(0, (node.begun ?? 0) - node.busy);
  fleet.retired.set(queues.join("\0"), sum);
}

const isSilent = (node: Node, now: number) => now - node.seenAt > (node.beats ? silentMs : askEveryMs);

/** Connected for sure: heard within two beats, and one that takes commands, so it is among the listeners. */
const isConnected = (node: Node, now: number) =>
  !node.offline && node.queues !== undefined && now - node.seenAt <= (node.beats ? twoBeatsMs : askEveryMs);

/** Brings the fleet up to date: who is connected, what new ones work on, what quieted ones hold. */
export async function refresh(fleet: Fleet, signal: AbortSignal, now = monotonicMs()): Promise<void> {
  const silent = [...fleet.nodes.values()].some((node) => isSilent(node, now));
  if (silent || fleet.nodes.size === 0 || now - fleet.countedAt >= countMs) {
    fleet.listeners = await fleet.post.countListeners(signal);
    fleet.countedAt = now;
  }
  forgetGone(fleet, now);
  const strangers = fleet.listeners > named(fleet) && fleet.meetAt <= now;
  const asked = [...fleet.nodes.values()].filter(
    (node) => !node.offline && node.askAt <= now && (node.queues === undefined || isSilent(node, now)),
  );
  await Promise.all([
    (strangers || asked.length > 0) && meet(fleet, strangers ? undefined : asked.map(({ name }) => name), signal),
    inspectQuiet(fleet, signal),
    learnLate(fleet, now, signal),
  ]);
  fleet.nameless = Math.max(0, fleet.listeners - named(fleet));
  if (fleet.nameless === 0) fleet.meetTimes = 0;
  else if (strangers) fleet.meetAt = now + laterMs(fleet.meetTimes++);
}

const named = (fleet: Fleet) => [...fleet.nodes.values()].filter((node) => !node.offline).length;

/** Who does not answer is asked again later, each time after twice the time. */
const laterMs = (times: number) => Math.min(30_000, 1000 * 2 ** times);

/**
 * Silent workers are gone unless more are connected than speak: then they are kept, as busy, for a blocked main loop is
 * what silence while connected means. Listeners are a number without names: one that was killed just now still seems to
 * speak, and would stand for a silent one that works, so it has to be so for two beats. One that said goodbye with tasks in
 * hand is kept for three beats; from then on only its process can tell, which the pool watches.
 */
function forgetGone(fleet: Fleet, now: number): void {
  const connected = [...fleet.nodes.values()].filter((node) => isConnected(node, now)).length;
  for (const node of [...fleet.nodes.values()]) {
    if (!isSilent(node, now)) delete node.missedAt;
    else if (node.offline) retire(fleet, node);
    else if (fleet.listeners > connected) {
      node.busy = Math.max(1, node.busy);
      delete node.missedAt;
    } else {
      node.missedAt ??= now;
      if (now - node.missedAt >= twoBeatsMs) retire(fleet, node);
    }
  }
}

/** Asks workers (or all) what they work on and what they have in hand. */
async function meet(fleet: Fleet, names: readonly string[] | undefined, signal: AbortSignal): Promise<void> {
  const ask = (method: string) => fleet.post.call({ method, ...(names && { destination: names }) }, answerMs, signal);
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

/** Whether running tasks stand in `unacked` too: looked up while something runs, and at most every 30 s. */
async function learnLate(fleet: Fleet, now: number, signal: AbortSignal): Promise<void> {
  const busy = [...fleet.nodes.values()].filter((node) => node.busy > 0 && !node.offline && !isSilent(node, now));
  if (busy.length === 0 || now - fleet.lateAskedAt < 30_000) return;
  fleet.lateAskedAt = now;
  const { byNode } = await fleet.post.call(
    { method: "active", destination: busy.slice(0, 5).map(({ name }) => name) },
    answerMs,
    signal,
  );
  const tasks = [...byNode.values()].flatMap((answer) => (Array.isArray(answer) ? answer : []));
  if (tasks.length > 0) fleet.late = tasks.some((task) => task?.acknowledged === false);
}

/** Exact numbers of quiet workers. `reserved` goes first: a task that begins meanwhile is seen twice, not never. */
async function inspectQuiet(fleet: Fleet, signal: AbortSignal): Promise<void> {
  const destination = [...fleet.nodes.values()].filter((node) => node.quiet && !node.offline).map(({ name }) => name);
  if (destination.length === 0) return;
  const asked = ["reserved", "active"].map((method) => fleet.post.call({ method, destination }, answerMs, signal));
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
