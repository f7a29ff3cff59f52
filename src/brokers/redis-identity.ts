import { randomUUID } from "node:crypto";
import { ErrorReply } from "@redis/client";
import type { RedisValue } from "./redis-client.ts";

/** Whose data an answer is, and whether it may be old. */
export type Identity = Readonly<{
  role: "primary" | "replica" | "unknown";
  /** Changes with the server's run, its replication history and whenever it evicts keys. */
  epoch: string;
}>;

type Send = (words: readonly string[]) => Promise<RedisValue>;

/**
 * A function that asks for the identity, once for all who ask within one turn. Where the user may not run INFO, the
 * connection itself is the identity, and the server is taken for the primary.
 */
export async function readIdentity(send: Send): Promise<() => Promise<Identity>> {
  const run = field(await info(send, "server"), "run_id") ?? randomUUID();
  let asked: Promise<Identity> | undefined;
  let last: Identity | undefined;
  const ask = async (): Promise<Identity> => {
    const [replication, stats] = await Promise.all([info(send, "replication"), info(send, "stats")]);
    const role = field(replication, "role");
    const history = field(replication, "master_replid") ?? "-";
    const evicted = field(stats, "evicted_keys") ?? "-";
    const found: Identity = {
      role: role === "master" ? "primary" : role === "slave" ? "replica" : "unknown",
      epoch: `${run}/${history}/${evicted}`,
    };
    // The very same one while nothing changes: to compare it ten thousand times costs nothing then.
    if (last?.role !== found.role || last.epoch !== found.epoch) last = found;
    return last;
  };
  return () => {
    if (asked) return asked;
    // The client writes what was asked in one turn in one go; whoever asks later needs a newer answer.
    setImmediate(() => {
      asked = undefined;
    });
    asked = ask();
    return asked;
  };
}

/**
 * Why jobs may vanish from this server by themselves. Undefined where nothing speaks for it, or where the user may not ask.
 * Policies that evict only keys with an expiry take locks of BullMQ: then jobs run twice.
 */
export async function evictionWarning(send: Send): Promise<string | undefined> {
  const memory = await info(send, "memory");
  const policy = field(memory, "maxmemory_policy") ?? "noeviction";
  if (policy === "noeviction" || Number(field(memory, "maxmemory") ?? 0) === 0) return undefined;
  return `Redis removes keys when its memory is full, and jobs or their locks with them: set \`maxmemory-policy\` to 'noeviction' (found '${policy}')`;
}

async function info(send: Send, section: string): Promise<string> {
  try {
    return String(await send(["INFO", section]));
  } catch (error) {
    if (error instanceof ErrorReply) return "";
    throw error;
  }
}

function field(text: string, name: string): string | undefined {
  return new RegExp(`^${name}:([^\\r\\n]*)`, "m").exec(text)?.[1];
}
