import { monotonicMs } from "../../src/brokers/clock.ts";
import type { RedisReader, ScriptAnswer } from "../../src/brokers/redis-client.ts";

/** The names of all connections to Redis, as `CLIENT LIST` told them at {@link at}, monotonic ms. */
export type Connections = Readonly<{ at: number; names: readonly string[] }>;

/** The workers of one queue that are connected: the names of those that have one, and how many have none. */
export type Present = Readonly<{ at: number; named: ReadonlySet<string>; unnamed: number }>;

type Memory = {
  /** One key for each node that has answered: where to ask in a Cluster. */
  nodes: Map<string, string>;
  asked?: Promise<Connections | undefined>;
  askedAt: number;
};

/** `CLIENT LIST` costs Redis time by the number of clients, so it is asked at most so often, ms. */
const restMs = 250;

const memories = new WeakMap<RedisReader, Memory>();

function memoryOf(client: RedisReader): Memory {
  let memory = memories.get(client);
  if (memory === undefined) {
    memory = { nodes: new Map(), askedAt: Number.NEGATIVE_INFINITY };
    memories.set(client, memory);
  }
  return memory;
}

/**
 * Who is connected; undefined where Redis does not tell (no right to `CLIENT LIST`, a managed service without it).
 * An answer that is a little old does no harm: a worker that came since is not named, and so is not taken for idle.
 */
export function connections(client: RedisReader, key: string, signal: AbortSignal): Promise<Connections | undefined> {
  const memory = memoryOf(client);
  const now = monotonicMs();
  if (memory.asked === undefined || now - memory.askedAt >= restMs) {
    memory.askedAt = now;
    memory.asked = ask(client, memory.nodes.size > 0 ? [...memory.nodes.values()] : [key], now, signal);
  }
  return memory.asked;
}

async function ask(
  client: RedisReader,
  keys: readonly string[],
  at: number,
  signal: AbortSignal,
): Promise<Connections | undefined> {
  try {
    const lists = await Promise.all(keys.map((key) => client.command(["CLIENT", "LIST"], signal, key)));
    return { at, names: lists.flatMap((list) => [...String(list).matchAll(/ name=(\S+)/g)].map(([, name]) => name ?? "")) };
  } catch {
    // A failed connection fails the read of the queues beside it, with its reason.
    return undefined;
  }
}

/** Remembers which nodes there are, from the answers to these keys. */
export function learnNodes(client: RedisReader, keys: readonly string[], answers: readonly ScriptAnswer[]): void {
  const nodes = new Map<string, string>();
  for (const [i, answer] of answers.entries()) if ("epoch" in answer) nodes.set(answer.epoch, keys[i] ?? "");
  memoryOf(client).nodes = nodes;
}

/**
 * The workers of each queue, by `prefix:base64(queue)`. A worker's connection bears that name, followed by `:w:` and
 * its own name when it has one (bullmq 6.7.0, `utils/create-backend`).
 */
export function workersByQueue(connections: Connections, wanted: ReadonlySet<string>): ReadonlyMap<string, Present> {
  const found = new Map<string, { at: number; named: Set<string>; unnamed: number }>();
  for (const queue of wanted) found.set(queue, { at: connections.at, named: new Set(), unnamed: 0 });
  for (const name of connections.names) {
    const plain = found.get(name);
    if (plain !== undefined) plain.unnamed++;
    // A prefix may hold ":w:" itself, so every place is tried.
    for (let i = name.indexOf(":w:"); i >= 0; i = name.indexOf(":w:", i + 1))
      found.get(name.slice(0, i))?.named.add(name.slice(i + 3));
  }
  return found;
}

/** The name that the connections of this queue's workers begin with. */
export const connectionName = (prefix: string, queue: string) => `${prefix}:${Buffer.from(queue).toString("base64")}`;
