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
  /** When to ask again for that, and how often that was in vain. */
  lateAskAt: number;
  lateAskedTimes: number;
  /** When to ask all again who they are, while some are nameless; and how often that was in vain. */
  meetAt: number;
  meetTimes: number;
  /** Told of each worker that is gone for good, before it is forgotten. */
  onGone: ((node: Node) => void) | undefined;
};

/** Three beats of 2 s: a worker silent for longer is gone, or its main loop is blocked by a task (pool `solo`). */
const silentMs = 6000;
/** With one beat of every worker heard, ms. */
export const firstBeatsMs = 2500;
/** Workers without heartbeats are asked as often as others beat. */
export const askEveryMs = 2000;

export function nodeOf(fleet: Fleet, name: string): Node {
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

export const isSilent = (node: Node, now: number) => now - node.seenAt > (node.beats ? silentMs : askEveryMs);

export const countNodes = (fleet: Fleet, which: (node: Node) => boolean) => [...fleet.nodes.values()].filter(which).length;

/** It takes commands: it has answered one. */
export const isMet = (node: Node) => !node.offline && node.queues !== undefined;

/** Who does not answer is asked again later, each time after twice the time. */
export const laterMs = (times: number) => Math.min(30_000, 1000 * 2 ** times);
