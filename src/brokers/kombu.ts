import { randomUUID } from "node:crypto";

/** Where kombu keeps its things in one database of Redis (kombu 5.7.0, `transport/redis.py`). */
export type KombuPlace = Readonly<{
  database: number;
  /** The transport option `global_keyprefix`: in front of every key and channel. */
  keyPrefix: string;
}>;

/** The channel of a fanout exchange. */
export const fanoutChannel = ({ database, keyPrefix }: KombuPlace, exchange: string) => `${keyPrefix}/${database}.${exchange}`;

/** The set of an exchange's bindings: members are routing key, pattern and queue, joined by {@link separator}. */
export const bindingKey = ({ keyPrefix }: KombuPlace, exchange: string) => `${keyPrefix}_kombu.binding.${exchange}`;

/** Between the parts of a binding, and by default between a queue's name and its priority step. */
export const separator = "\x06\x16";

/** A string as it stands within a pattern of PSUBSCRIBE. */
export const escapePattern = (text: string) => text.replace(/[*?[\]\\]/g, "\\$&");

/** What of a message is not the same in all. */
type Letter = Readonly<{ body: unknown; headers: object; properties: object }>;

/** One message as kombu's virtual transport puts it into a list or on a channel. */
export function encodeMessage({ body, headers, properties }: Letter): string {
  return JSON.stringify({
    body: Buffer.from(JSON.stringify(body)).toString("base64"),
    "content-encoding": "utf-8",
    "content-type": "application/json",
    headers,
    properties: { priority: 0, body_encoding: "base64", delivery_tag: randomUUID(), ...properties },
  });
}

/** The body of a message in JSON; undefined when it is anything else. */
export function decodeMessage(text: string): unknown {
  try {
    const message = JSON.parse(text) as { body?: unknown; properties?: { body_encoding?: unknown } };
    if (typeof message.body !== "string") return undefined;
    const plain = message.properties?.body_encoding === "base64" ? Buffer.from(message.body, "base64").toString() : message.body;
    return JSON.parse(plain);
  } catch {
    return undefined;
  }
}

/** Whether a binding takes this routing key: equal, or by the regular expression that a topic exchange keeps. */
export function bindingTakes(binding: string, routingKey: string): string | undefined {
  const [key = "", pattern = "", queue = ""] = binding.split(separator);
  if (key === routingKey) return queue;
  if (pattern === "") return undefined;
  try {
    return new RegExp(pattern).test(routingKey) ? queue : undefined;
  } catch {
    return undefined;
  }
}
