import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { abortable } from "../../src/brokers/abortable.ts";
import { monotonicMs } from "../../src/brokers/clock.ts";
import type { RabbitChannel, RabbitReader } from "../../src/brokers/rabbitmq-client.ts";
import { rabbitProblem } from "../../src/brokers/rabbitmq-problem.ts";
import { BrokerError, type Problem } from "../../src/core/contract.ts";
import { eventExchange, exchange, expectedOf, type Post, replyExchange, takeReply, toBody } from "./post.ts";

/** The post of the workers of one virtual host. */
export interface AmqpPost extends Post {
  /** The names of all queues, as just read; undefined with the reason why they are not known. */
  note(names: readonly string[] | undefined, why: Problem | undefined): void;
}

const posts = new WeakMap<RabbitReader, AmqpPost>();

export function amqpPost(client: RabbitReader): AmqpPost {
  const post = posts.get(client) ?? createPost(client);
  posts.set(client, post);
  return post;
}

type Line = Readonly<{ channel: RabbitChannel; oid: string; since: number }>;

/** Every worker has a queue of its own name for commands, which goes with its connection. */
const mailbox = `.${exchange}`;
const isMailbox = (queue: string) => queue.endsWith(mailbox) && !queue.endsWith(`.${replyExchange}`);
/** After a refusal, ms. */
const againMs = 5000;
const unread: Problem = { kind: "missing", message: "the workers' mailboxes were not looked for" };

function createPost(client: RabbitReader): AmqpPost {
  let line: Promise<Line> | undefined;
  let hear: (event: unknown) => void = () => {};
  let listeners: number | undefined;
  let blind: Problem = unread;
  const calls = new Map<string, Map<string, unknown>>();

  /** Speaks and hears on a connection beside the one that reads; a new one after each loss. */
  const open = async (): Promise<Line> => {
    const channel = await client.speak();
    channel.once("close", () => {
      line = undefined;
    });
    const oid = randomUUID();
    // As Celery declares them: who comes first makes them.
    await channel.assertExchange(exchange, "fanout", { durable: false });
    await channel.assertExchange(replyExchange, "direct", { durable: false });
    await channel.assertExchange(eventExchange, "topic", { durable: true });
    await consume(channel, `${oid}.${replyExchange}`, replyExchange, oid, (body, headers) => {
      const byNode = calls.get(String(headers["ticket"]));
      if (byNode) takeReply(body, byNode);
    });
    await consume(channel, `${eventExchange}.${oid}`, eventExchange, "worker.#", (body) => hear(body));
    return { channel, oid, since: monotonicMs() };
  };

  const ready = (signal: AbortSignal): Promise<Line> => {
    line ??= open().catch((error) => {
      // RabbitMQ logs each refusal: the next attempt is not at the next reading.
      setTimeout(() => {
        line = undefined;
      }, againMs).unref();
      throw new BrokerError(rabbitProblem(error), { cause: error });
    });
    return abortable(line, signal);
  };

  return {
    note(names, why) {
      listeners = names?.filter(isMailbox).length;
      blind = why ?? unread;
    },
    async listen(listener, signal) {
      hear = listener;
      return (await ready(signal)).since;
    },
    async countListeners() {
      if (listeners === undefined) throw new BrokerError(blind);
      return listeners;
    },
    async call(command, waitMs, signal) {
      const { channel, oid } = await ready(signal);
      const receivers = listeners ?? 0;
      const ticket = randomUUID();
      const byNode = new Map<string, unknown>();
      calls.set(ticket, byNode);
      try {
        const body = Buffer.from(JSON.stringify(toBody(command, { ticket, routingKey: oid })));
        const properties = { contentType: "application/json", contentEncoding: "utf-8", headers: { clock: 1, expires: 0 } };
        channel.publish(exchange, "", body, properties);
        const until = monotonicMs() + waitMs;
        for (
          let pause = 2;
          byNode.size < expectedOf(command, receivers) && monotonicMs() < until;
          pause = Math.min(pause * 1.5, 25)
        ) {
          await sleep(pause, undefined, { signal });
        }
        return { receivers, byNode };
      } finally {
        calls.delete(ticket);
      }
    },
  };
}

/** A queue that is ours alone and goes with the connection; what nobody took within 5 s is of no use any more. */
async function consume(
  channel: RabbitChannel,
  queue: string,
  from: string,
  key: string,
  take: (body: unknown, headers: Readonly<Record<string, unknown>>) => void,
): Promise<void> {
  await channel.assertQueue(queue, { durable: false, exclusive: true, autoDelete: true, messageTtl: 5000 });
  await channel.bindQueue(queue, from, key);
  const listener = (message: { content: Buffer; properties: { headers?: object | undefined } } | null) => {
    if (message === null) return;
    const body = parse(message.content);
    if (body !== undefined) take(body, (message.properties.headers ?? {}) as Readonly<Record<string, unknown>>);
  };
  await channel.consume(queue, listener, { noAck: true });
}

function parse(content: Buffer): unknown {
  try {
    return JSON.parse(content.toString());
  } catch {
    return undefined;
  }
}
