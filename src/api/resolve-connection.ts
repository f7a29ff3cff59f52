import type { Api } from "./define.ts";
import { digestOf } from "./digest.ts";
import { connectionKey, type QueueConnection } from "./resolve.ts";

export type ConnectionDocument = ReturnType<Api["queueConnection"]["parse"] | Api["clusterQueueConnection"]["parse"]>;

/** Throws where the document did not pass the schema. */
export function resolveConnection(document: ConnectionDocument): QueueConnection {
  const { kind, metadata } = document;
  const { namespaces, secretNamespace, ...byType }: Readonly<Record<string, unknown>> = document.spec;
  const [entry] = Object.entries(byType);
  if (entry === undefined) throw new Error("a connection without a broker passed the schema");
  const [type, settings] = entry;
  const { name } = metadata;
  const digest = digestOf({ type, settings, namespaces, secretNamespace });
  if (kind === "QueueConnection") {
    const { namespace } = document.metadata;
    return { kind, namespace, name, key: connectionKey({ kind: "named", namespace, name }), type, settings, digest };
  }
  const { spec } = document;
  const key = connectionKey({ kind: "cluster", name });
  return { kind, namespace: spec.secretNamespace, namespaces: spec.namespaces, name, key, type, settings, digest };
}
