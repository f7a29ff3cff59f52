import { createHash } from "node:crypto";
import { type ConnectionRef, connectionKey, mayUse, type QueueConnection } from "../api/resolve.ts";
import { keyReferences, resolveSecrets, type SecretReaders } from "../api/secrets.ts";
import { type AnyBroker, BrokerError } from "../core/contract.ts";
import type { ConnectionSource } from "../observe/observer.ts";

/**
 * Where a trigger connects: a connection by name, or an inline address. Throws BrokerError when there is none, or one
 * that the namespace may not use.
 */
export function connectionSource(
  ref: ConnectionRef,
  house: Readonly<{
    connections: ReadonlyMap<string, QueueConnection>;
    brokers: ReadonlyMap<string, AnyBroker>;
    readers: SecretReaders;
  }>,
): ConnectionSource {
  const found = ref.kind === "inline" ? ref : connectionOf(ref, house.connections);
  const { type, settings } = found;
  const broker = house.brokers.get(type);
  if (broker === undefined) throw new BrokerError({ kind: "missing", message: `there is no broker of type ${type}` });
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

/** By what declares them, which never changes. */
const sources = new WeakMap<object, Readonly<{ source: ConnectionSource; readers: SecretReaders }>>();

function connectionOf(
  ref: Exclude<ConnectionRef, { kind: "inline" }>,
  connections: ReadonlyMap<string, QueueConnection>,
): QueueConnection {
  const key = connectionKey(ref);
  const kind = ref.kind === "named" ? "QueueConnection" : "ClusterQueueConnection";
  const found = connections.get(key);
  if (found === undefined) throw new BrokerError({ kind: "missing", message: `there is no ${kind} ${key}` });
  if (mayUse(found, ref.namespace)) return found;
  throw new BrokerError({ kind: "auth", message: `${kind} ${key} does not let namespace '${ref.namespace}' use it` });
}
