import { monotonicMs } from "../../src/brokers/clock.ts";
import type { Fleet, Node } from "./node.ts";

/** A task with an ETA. `queue` is its routing key: by default the queue's name. */
type Sleeper = Readonly<{ id: string; at: number; queue: string }>;

type Bedroom = {
  /** What each worker held when it was last asked. */
  readonly held: Map<string, readonly Sleeper[]>;
  /** What workers that have gone since held: it is back in its queue, where nothing shows that it sleeps. */
  readonly back: Map<string, Sleeper>;
  askedAt: number;
  everyMs: number;
};

/** Tasks with an ETA, by when they may begin. */
export type Asleep = Readonly<{ soon: number; later: number }>;

const answerMs = 400;
const leastMs = 2000;
/** The more there is to tell, the less often it is asked for, ms per task. */
const perTaskMs = 10;
const longestMs = 60_000;

const bedrooms = new WeakMap<Fleet, Bedroom>();

function bedroomOf(fleet: Fleet): Bedroom {
  const room = bedrooms.get(fleet) ?? { held: new Map(), back: new Map(), askedAt: Number.NEGATIVE_INFINITY, everyMs: leastMs };
  bedrooms.set(fleet, room);
  fleet.onGone = ({ name }) => {
    for (const sleeper of room.held.get(name) ?? []) room.back.set(sleeper.id, sleeper);
    room.held.delete(name);
  };
  return room;
}

/**
 * Asks the workers which tasks they hold until these are due. A worker fetches them at once, all of them, and holds them
 * unacknowledged: RabbitMQ cannot tell them from tasks that are due, and whoever counts them never gets to zero.
 */
export async function learnAsleep(fleet: Fleet, signal: AbortSignal): Promise<void> {
  const room = bedroomOf(fleet);
  const now = monotonicMs();
  const destination = [...fleet.nodes.values()].filter(({ offline }) => !offline).map(({ name }) => name);
  if (destination.length === 0 || now - room.askedAt < room.everyMs) return;
  room.askedAt = now;
  const { byNode } = await fleet.post.call({ method: "scheduled", destination }, answerMs, signal);
  let count = 0;
  for (const [name, answer] of byNode) {
    const sleepers = Array.isArray(answer) ? answer.flatMap(sleeperOf) : [];
    room.held.set(name, sleepers);
    for (const { id } of sleepers) room.back.delete(id);
    count += sleepers.length;
  }
  room.everyMs = Math.min(longestMs, Math.max(leastMs, count * perTaskMs));
}

function sleeperOf(entry: unknown): readonly Sleeper[] {
  const { eta, request } = entry as { eta?: unknown; request?: { id?: unknown; delivery_info?: { routing_key?: unknown } } };
  const at = Date.parse(String(eta));
  if (Number.isNaN(at)) return [];
  return [{ id: String(request?.id), at, queue: String(request?.delivery_info?.routing_key ?? "") }];
}

/** What workers of these queues hold that is not due. */
export function asleepInHand(fleet: Fleet, queues: ReadonlySet<string>, now: number, lookAhead: number): Asleep {
  const sleepers = [...bedroomOf(fleet).held].flatMap(([name, held]) => {
    const node = fleet.nodes.get(name);
    return node === undefined ? [] : held.filter(({ queue }) => isOurs(node, queue, queues));
  });
  return sorted(sleepers, now, lookAhead);
}

/** A routing key that is none of the worker's queues leads by an exchange to any of them. */
function isOurs(node: Node, key: string, queues: ReadonlySet<string>): boolean {
  if (queues.has(key)) return true;
  const own = node.queues ?? [];
  return !own.includes(key) && (own.length === 0 || own.some((queue) => queues.has(queue)));
}

/**
 * What lies in these queues and is not due: given back by workers that have gone. Only as long as nobody works on them: a
 * worker takes it at once, and tells. Never more than is there: the rest was deleted.
 */
export function asleepInQueue(fleet: Fleet, queues: ReadonlySet<string>, ready: number, now: number, lookAhead: number): Asleep {
  const { back } = bedroomOf(fleet);
  const works = ({ offline, queues: own }: Node) => !offline && (own === undefined || own.some((queue) => queues.has(queue)));
  if ([...fleet.nodes.values()].some(works)) return { soon: 0, later: 0 };
  const sleepers: Sleeper[] = [];
  for (const sleeper of back.values()) {
    if (sleeper.at <= now || (queues.has(sleeper.queue) && sleepers.length >= ready)) back.delete(sleeper.id);
    else if (queues.has(sleeper.queue)) sleepers.push(sleeper);
  }
  return sorted(sleepers, now, lookAhead);
}

function sorted(sleepers: readonly Sleeper[], now: number, lookAhead: number): Asleep {
  const soon = sleepers.filter(({ at }) => at > now && at <= now + lookAhead).length;
  const later = sleepers.filter(({ at }) => at > now + lookAhead).length;
  return { soon, later };
}
