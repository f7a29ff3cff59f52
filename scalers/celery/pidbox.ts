import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { monotonicMs } from "../../src/brokers/clock.ts";
import { bindingKey, decodeMessage, encodeMessage, fanoutChannel, type KombuPlace, separator } from "../../src/brokers/kombu.ts";
import type { RedisReader } from "../../src/brokers/redis-client.ts";

/** A remote control command for some workers, or for all (kombu 5.7.0, `pidbox.py`). */
export type Command = Readonly<{
  method: string;
  arguments?: Readonly<Record<string, unknown>>;
  /** Node names; absent: every worker. */
  destination?: readonly string[];
}>;

/** How many workers got the command, and what those that answered in time said, by node name. */
export type Replies = Readonly<{ receivers: number; byNode: ReadonlyMap<string, unknown> }>;

const exchange = "celery.pidbox";
const replyExchange = "reply.celery.pidbox";

/**
 * How many workers are connected and listen. The command is for nobody: they drop it. The binding of the exchange
 * cannot tell, for a worker that was killed stays in it; NUMSUB cannot, for workers subscribe by pattern.
 */
export async function countListeners(client: RedisReader, place: KombuPlace, signal: AbortSignal): Promise<number> {
  const words = [
    "PUBLISH",
    fanoutChannel(place, exchange),
    encodeMessage(exchange, toBody({ method: "ping", destination: [""] })),
  ];
  return Number(await client.command(words, signal));
}

/**
 * Asks, and waits until all who were asked have answered or `waitMs` has passed: not answering is data, for a worker with
 * a blocked main loop (pool `solo`) is silent while it works. Leaves nothing behind in Redis.
 */
export async function call(
  client: RedisReader,
  place: KombuPlace,
  command: Command,
  waitMs: number,
  signal: AbortSignal,
): Promise<Replies> {
  const oid = randomUUID();
  const replyQueue = `${oid}.${replyExchange}`;
  const [binding, member, list] = [
    bindingKey(place, replyExchange),
    [oid, "", replyQueue].join(separator),
    place.keyPrefix + replyQueue,
  ];
  const message = encodeMessage(exchange, {
    ...toBody(command),
    ticket: oid,
    reply_to: { exchange: replyExchange, routing_key: oid },
  });
  const byNode = new Map<string, unknown>();
  try {
    const [, heard] = await Promise.all([
      client.command(["SADD", binding, member], signal, binding),
      client.command(["PUBLISH", fanoutChannel(place, exchange), message], signal),
    ]);
    const receivers = Number(heard);
    const expected = Math.min(receivers, command.destination?.length ?? receivers);
    const until = monotonicMs() + waitMs;
    // Not BRPOP: it would hold up everything else on the shared connection.
    for (let pause = 4; byNode.size < expected && monotonicMs() < until; pause = Math.min(pause * 1.5, 25)) {
      await sleep(pause, undefined, { signal });
      const replies = await client.command(["RPOP", list, "100"], signal, list);
      for (const reply of Array.isArray(replies) ? replies : []) {
        const body = decodeMessage(String(reply));
        for (const [node, answer] of Object.entries(typeof body === "object" && body !== null ? body : {}))
          byNode.set(node, answer);
      }
    }
    return { receivers, byNode };
  } finally {
    if (!signal.aborted) {
      await Promise.all([
        client.command(["SREM", binding, member], signal, binding),
        client.command(["DEL", list], signal, list),
      ]);
    }
  }
}

function toBody({
  method,
  arguments: given = {},
  destination = null,
}: Partial<Omit<Command, "destination">> & { destination?: readonly string[] | null }) {
  return { method, arguments: given, destination, pattern: null, matcher: null };
}
