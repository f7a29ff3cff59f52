import { monotonicMs } from "../../src/brokers/clock.ts";
import { inspectQuiet, learnLate, meet } from "./inspect.ts";
import { askEveryMs, countNodes, type Fleet, isMet, isSilent, laterMs, type Node, nodeOf } from "./node.ts";
import type { Post } from "./post.ts";

const twoBeatsMs = 4500;
const countMs = 5000;
const beginsToListenMs = 1500;
const stopsToListenMs = 500;

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
    lateAskAt: never,
    lateAskedTimes: 0,
    meetAt: never,
    meetTimes: 0,
    onGone: undefined,
  };
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
  // It speaks before it listens (seen with Celery 5.7: by up to 1 s): until then asking it is in vain.
  if (old === undefined) node.askAt = now + beginsToListenMs;
  node.seenAt = now;
  node.offline = type === "worker-offline";
  // It may still be among the listeners for a moment, and would be asked who it is.
  if (node.offline) fleet.meetAt = Math.max(fleet.meetAt, now + stopsToListenMs);
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

/** Connected for sure: heard within two beats, and one that takes commands, so it is among the listeners. */
const isConnected = (node: Node, now: number) => isMet(node) && now - node.seenAt <= (node.beats ? twoBeatsMs : askEveryMs);

/** Brings the fleet up to date: who is connected, what new ones work on, what quieted ones hold. */
export async function refresh(fleet: Fleet, signal: AbortSignal, now = monotonicMs()): Promise<void> {
  if (isCountOld(fleet, now)) {
    fleet.listeners = await fleet.post.countListeners(signal);
    fleet.countedAt = now;
  }
  forgetGone(fleet, now);
  const strangers = fleet.listeners > named(fleet) && fleet.meetAt <= now;
  const newListeners = fleet.listeners > countNodes(fleet, isMet);
  const isDue = ({ askAt, askedTimes }: Node) => askAt <= now || (newListeners && askedTimes === 0);
  const asked = [...fleet.nodes.values()].filter((node) => isOpen(node, now) && isDue(node));
  await Promise.all([
    (strangers || asked.length > 0) && meet(fleet, strangers ? undefined : asked.map(({ name }) => name), signal),
    inspectQuiet(fleet, signal),
    learnLate(fleet, now, signal),
  ]);
  fleet.nameless = Math.max(0, fleet.listeners - named(fleet));
  if (fleet.nameless === 0) fleet.meetTimes = 0;
  else if (strangers) fleet.meetAt = now + laterMs(fleet.meetTimes++);
}

/**
 * Whether the listeners are to be counted: who has said goodbye listens no more (Celery 5.7 stops that first), who has said
 * hello may do so by now, and silence is nothing without their number.
 */
function isCountOld(fleet: Fleet, now: number): boolean {
  const open = countNodes(fleet, (node) => isOpen(node, now));
  return now - fleet.countedAt >= countMs || fleet.nodes.size === 0 || fleet.listeners > named(fleet) || open > 0;
}

/** It has not said yet what it works on, or nothing for too long. */
const isOpen = (node: Node, now: number) => !node.offline && (node.queues === undefined || isSilent(node, now));
const named = (fleet: Fleet) => countNodes(fleet, (node) => !node.offline);

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
