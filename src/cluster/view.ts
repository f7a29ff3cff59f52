import type { ClusterView } from "../api/cluster-findings.ts";
import { connectionKey } from "../api/resolve.ts";
import { isKubeError, type Kube } from "../kube/kube.ts";
import { targetId } from "./autoscalers.ts";
import type { Watches } from "./declared.ts";

/** The cluster around a ScaledWorker: from the watches where they have it, else asked. What we may not read is not known. */
export function clusterView(kube: Kube, watches: Watches): ClusterView {
  return {
    connection(ref) {
      const list = ref.kind === "named" ? watches.connections : watches.clusterConnections;
      if (list === undefined || !list.isSynced()) return undefined;
      const found = list.get(connectionKey(ref));
      if (found === undefined) return null;
      const { connection } = found.parsed;
      return { type: connection?.type, ...(connection?.namespaces && { namespaces: connection.namespaces }) };
    },
    workersOn(namespace, target) {
      if (!watches.workers.isSynced()) return undefined;
      const wanted = targetId(namespace, target);
      return [...watches.workers.entries()].flatMap(([, { parsed }]) => {
        const spec = parsed.worker?.target;
        return spec?.kind === "scale" && targetId(parsed.namespace, spec.ref) === wanted ? [parsed.name] : [];
      });
    },
    autoscalersOn(namespace, target) {
      if (!watches.autoscalers.isSynced()) return undefined;
      const wanted = targetId(namespace, target);
      return [...watches.autoscalers.entries()].flatMap(([, { name, target }]) => (target === wanted ? [name] : []));
    },
    scalable: ({ apiVersion, kind }) => known(async () => (await kube.discover(apiVersion, kind))?.scale ?? null),
    exists: (namespace, { apiVersion, kind, name }) =>
      known(async () => {
        const found = await kube.discover(apiVersion, kind);
        if (found === undefined) return false;
        return kube.getScale({ kind: found.kind, namespace, name }).then(
          () => true,
          (error: unknown) => {
            if (isKubeError(error, "NotFound")) return false;
            throw error;
          },
        );
      }),
  };
}

/** Undefined where the API server does not answer, or does not let us know. */
async function known<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (isKubeError(error)) return undefined;
    throw error;
  }
}
