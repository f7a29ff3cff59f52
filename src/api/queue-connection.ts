import { z } from "zod";
import type { AnyBroker } from "../core/contract.ts";
import { cel, closed, complain, exactlyOne, foundText, name, setOf } from "./fields.ts";
import { clusterMetadata, documentSchema, metadata } from "./meta.ts";

const purpose = "An address and its credential: they belong together, and a credential never goes to another host.";

/** The whole document, for these brokers: each one's type is a key under `spec`. */
export function queueConnectionSchema(brokers: readonly AnyBroker[]) {
  const spec = z.strictObject(settings(brokers)).superRefine(oneOf(brokers)).meta(oneBroker(brokers));
  return documentSchema("QueueConnection", metadata, spec.describe(purpose));
}

const clusterFields = {
  namespaces: setOf(
    z
      .string()
      .max(63)
      .regex(/^([a-z0-9]([-a-z0-9]*[a-z0-9])?|([a-z0-9][-a-z0-9]*)?\*)$/)
      .meta({ must: "must be the name of a namespace, or its beginning and '*'" }),
  )
    .min(1)
    .max(256)
    .describe("Namespaces whose ScaledWorkers may use it: names, or beginnings of names with `*`. Example: `[shop, team-a-*]`."),
  secretNamespace: name().describe("Namespace of every Secret that it refers to. Example: `worktide-system`."),
};

/** The same for a whole cluster: who runs the cluster says which namespaces may use it. */
export function clusterQueueConnectionSchema(brokers: readonly AnyBroker[]) {
  const fields = { ...clusterFields, ...settings(brokers) };
  const spec = z.strictObject(fields).superRefine(oneOf(brokers)).meta(oneBroker(brokers));
  const shared = `${purpose} Many namespaces can use it without seeing the credential.`;
  return documentSchema("ClusterQueueConnection", clusterMetadata, spec.describe(shared));
}

const settings = (brokers: readonly AnyBroker[]) =>
  Object.fromEntries(brokers.map((broker) => [broker.type, closed(broker.settings).optional().describe(broker.summary)]));

const oneBroker = (brokers: readonly AnyBroker[]) => cel(exactlyOne(brokers.map(({ type }) => type)));

const oneOf = (brokers: readonly AnyBroker[]) => (value: Readonly<Record<string, unknown>>, context: z.RefinementCtx) => {
  const types = brokers.map((broker) => broker.type);
  const given = types.filter((type) => Object.hasOwn(value, type));
  if (given.length === 1) return;
  const message = `${exactlyOne(types).message}; ${foundText(given)}`;
  complain(context, "one-broker", given[1] ? [given[1]] : [], message, { unlessUnknown: given.length === 0 });
};
