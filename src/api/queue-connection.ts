import { z } from "zod";
import type { AnyBroker } from "../core/contract.ts";
import { apiVersion, complain, metadata } from "./meta.ts";

/** The whole document, for these brokers: each one's type is a key under `spec`. */
export function queueConnectionSchema(brokers: readonly AnyBroker[]) {
  const types = brokers.map((broker) => broker.type);
  const fields = brokers.map((broker) => [broker.type, broker.settings.strict().optional().describe(broker.summary)] as const);
  const spec = z.strictObject(Object.fromEntries(fields)).superRefine((value, context) => {
    const given = types.filter((type) => Object.hasOwn(value, type));
    if (given.length === 1) return;
    const found = given.length === 0 ? "none" : given.map((type) => `\`${type}\``).join(" and ");
    const message = `must have exactly one of ${types.map((type) => `\`${type}\``).join(", ")}; found ${found}`;
    complain(context, "one-broker", given[1] ? [given[1]] : [], message, { unlessUnknown: given.length === 0 });
  });
  return z.strictObject({
    apiVersion: z.literal(apiVersion).describe("Version of this schema."),
    kind: z.literal("QueueConnection").describe("Kind of this document."),
    metadata: metadata.describe("Name and namespace."),
    spec: spec.describe("An address and its credential: they belong together, and a credential never goes to another host."),
  });
}
