import { createHash } from "node:crypto";
import { brokersOf, eitherOf } from "../api/brokers-of.ts";
import { connectionKey, mayUse, type QueueConnection } from "../api/resolve.ts";
import type { ConnectionRef, Trigger } from "../api/resolve-rules.ts";
import { keyReferences, resolveSecrets, type SecretReaders } from "../api/secrets.ts";
import { type AnyBroker, type AnyScaler, BrokerError } from "../core/contract.ts";
import type { ConnectionSource } from "../observe/observer.ts";

export type SourceHouse = Readonly<{
  connections: ReadonlyMap<string, QueueConnection>;
  brokers: ReadonlyMap<string, AnyBroker>;
  readers: SecretReaders;
  /** Some namespaces are watched only: no ClusterQueueConnection is seen. */
  namespaced?: boolean | undefined;
}>;

/**
 * Where a trigger connects: a connection by name, or an inline address. Where there is none, or none that it may use, it
 * gets one that fails each dial with that: it is not known, and no other trigger suffers.
 */
export function connectionSource({ connection: ref, scaler }: Trigger, house: SourceHouse): ConnectionSource {
  try {
    return sourceOf(ref, scaler, house);
  } catch (error) {
    const name = ref.kind === "inline" ? "inline" : connectionKey(ref);
    const settings = async () => {
      throw error;
    };
    const type = brokersOf(scaler)[0] ?? "";
    return { type, name, key: `none: ${type} ${name}`, settings };
  }
}

function sourceOf(ref: ConnectionRef, scaler: AnyScaler, house: SourceHouse): ConnectionSource {
  const found = ref.kind === "inline" ? ref : connectionOf(ref, house);
  const { type, settings } = found;
  const broker = house.brokers.get(type);
  if (broker === undefined || !brokersOf(scaler).includes(type)) {
    const title = found.kind === "inline" ? "the inline connection" : `${found.kind} ${found.key}`;
    throw none(`${title} leads to \`${type}\`, and \`${scaler.type}\` reads from ${eitherOf(brokersOf(scaler))}`);
  }
  // Ten thousand triggers of one QueueConnection share one source.
  const known = sources.get(found);
  if (known?.readers === house.readers) return known.source;
  const namespace = found.kind === "inline" ? "" : found.namespace;
  // Secrets of one name in two namespaces are two secrets: connections that refer to them are never shared.
  const credential = keyReferences(settings, namespace);
  const source: ConnectionSource = {
    type,
    name: found.kind === "inline" ? broker.address(settings) : found.key,
    key: createHash("sha256")
      .update(JSON.stringify([type, settings, credential]))
      .digest("hex"),
    settings: (signal) => resolveSecrets(settings, { ...house.readers, namespace }, signal),
  };
  sources.set(found, { source, readers: house.readers });
  return source;
}

const none = (message: string) => new BrokerError({ kind: "connection", message });

/** By what declares them, which never changes. */
const sources = new WeakMap<object, Readonly<{ source: ConnectionSource; readers: SecretReaders }>>();

function connectionOf(
  ref: Exclude<ConnectionRef, { kind: "inline" }>,
  { connections, namespaced }: SourceHouse,
): QueueConnection {
  const key = connectionKey(ref);
  const kind = ref.kind === "named" ? "QueueConnection" : "ClusterQueueConnection";
  const found = connections.get(key);
  if (found === undefined && ref.kind !== "named" && namespaced) {
    throw none(`${kind} ${key} cannot be seen: this controller watches some namespaces only; use a QueueConnection`);
  }
  if (found === undefined) throw none(`there is no ${kind} ${key}, or none without errors`);
  if (mayUse(found, ref.namespace)) return found;
  throw none(`${kind} ${key} does not let namespace '${ref.namespace}' use it`);
}
