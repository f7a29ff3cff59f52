import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { abortable } from "../../src/brokers/abortable.ts";
import { monotonicMs } from "../../src/brokers/clock.ts";
import {
  bindingKey,
  decodeMessage,
  encodeMessage,
  escapePattern,
  fanoutChannel,
  type KombuPlace,
  separator,
} from "../../src/brokers/kombu.ts";
import type { RedisReader } from "../../src/brokers/redis-client.ts";
import {
  type Command,
  eventExchange,
  exchange,
  expectedOf,
  type Post,
  type Replies,
  replyExchange,
  takeReply,
  toBody,
} from "./post.ts";

const posts = new WeakMap<RedisReader, Map<string, Post>>();

/** The post of the workers of one database and key prefix. */
export function redisPost(client: RedisReader, keyPrefix: string): Post {
  const known = posts.get(client) ?? new Map<string, Post>();
  posts.set(client, known);
  const post = known.get(keyPrefix) ?? createPost(client, { database: client.database, keyPrefix });
  known.set(keyPrefix, post);
  return post;
}

function createPost(client: RedisReader, place: KombuPlace): Post {
  let listening: Promise<number> | undefined;
  return {
    listen(hear, signal) {
      listening ??= subscribe(client, place, hear).catch((error) => {
        listening = undefined;
        throw error;
      });
      return abortable(listening, signal);
    },
    countListeners: (signal) => countListeners(client, place, signal),
    call: (command, waitMs, signal) => call(client, place, command, waitMs, signal),
  };
}

async function subscribe(client: RedisReader, place: KombuPlace, hear: (event: unknown) => void): Promise<number> {
  // Ends with the session: nobody else can say when the last trigger of this prefix has gone.
  const whileConnected = new AbortController().signal;
  const pattern = `${escapePattern(fanoutChannel(place, eventExchange))}/worker.*`;
  await client.subscribe(pattern, (_channel, message) => hear(decodeMessage(message)), whileConnected);
  return monotonicMs();
}

/**
 * The command is for nobody: they drop it. The binding of the exchange cannot tell, for a worker that was killed stays in
 * it; NUMSUB cannot, for workers subscribe by pattern.
 */
async function countListeners(client: RedisReader, place: KombuPlace, signal: AbortSignal): Promise<number> {
  const message = letter(toBody({ method: "ping", destination: [""] }));
  return Number(await client.command(["PUBLISH", fanoutChannel(place, exchange), message], signal));
}

/** Leaves nothing behind in Redis. */
async function call(
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
  const message = letter(toBody(command, { ticket: oid, routingKey: oid }));
  const byNode = new Map<string, unknown>();
  try {
    const [, heard] = await Promise.all([
      client.command(["SADD", binding, member], signal, binding),
      client.command(["PUBLISH", fanoutChannel(place, exchange), message], signal),
    ]);
    const receivers = Number(heard);
    const expected = () => Math.min(receivers, expectedOf(command, receivers));
    const until = monotonicMs() + waitMs;
    // Not BRPOP: it would hold up everything else on the shared connection.
    for (let pause = 4; byNode.size < expected() && monotonicMs() < until; pause = Math.min(pause * 1.5, 25)) {
      await sleep(pause, undefined, { signal });
      const replies = await client.command(["RPOP", list, "100"], signal, list);
      for (const reply of Array.isArray(replies) ? replies : []) takeReply(decodeMessage(String(reply)), byNode);
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

/** To whoever listens to the exchange. */
const letter = (body: unknown): string =>
  encodeMessage({
    body,
    headers: { clock: 1, expires: 0 },
    properties: { delivery_mode: 1, delivery_info: { exchange, routing_key: "" } },
  });
