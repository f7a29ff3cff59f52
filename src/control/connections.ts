import { createHash } from "node:crypto";
import type { ConnectionRef, QueueConnection } from "../api/resolve.ts";
import { resolveSecrets, type SecretReaders } from "../api/secrets.ts";
import { type AnyBroker, BrokerError } from "../core/contract.ts";
import type { ConnectionSource } from "../observe/observer.ts";

/** Where a trigger connects: a QueueConnection by name, or an inline address. Throws BrokerError when there is none. */
export function connectionSource(
  ref: ConnectionRef,
  house: Readonly<{
    connections: ReadonlyMap<string, QueueConnection>;
    brokers: ReadonlyMap<string, AnyBroker>;
    readers: SecretReaders;
  }>,
): ConnectionSource {
  const found = ref.kind === "named" ? house.connections.get(`${ref.namespace}/${ref.name}`) : ref;
  if (found === undefined) {
    throw new BrokerError({ kind: "missing", message: `there is no QueueConnection ${describe(ref)}` });
  }
  const { type, settings } = found;
  const broker = house.brokers.get(type);
  if (broker === undefined) throw new BrokerError({ kind: "missing", message: `there is no broker of type ${type}` });
  // Ten thousand triggers of one QueueConnection share one source.
  const known = sources.get(found);
  if (known?.readers === house.readers) return known.source;
  const source: ConnectionSource = {
    type,
    name: ref.kind === "named" ? `${ref.namespace}/${ref.name}` : broker.address(settings),
    key: createHash("sha256")
      .update(JSON.stringify([type, settings]))
      .digest("hex"),
    settings: (signal) => resolveSecrets(settings, house.readers, signal),
  };
  sources.set(found, { source, readers: house.readers });
  return source;
}

/** By what declares them, which never changes. */
const sources = new WeakMap<object, Readonly<{ source: ConnectionSource; readers: SecretReaders }>>();

function describe(ref: ConnectionRef): string {
  return ref.kind === "named" ? `${ref.namespace}/${ref.name}` : ref.type;
}
