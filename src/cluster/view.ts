import type { ClusterView } from "../api/cluster-findings.ts";
import { connectionKey } from "../api/resolve.ts";
import type { ScaleTarget } from "../api/resolve-target.ts";
import { isKubeError, type Kind, type Kube, type KubeObject } from "../kube/kube.ts";
import type { Watches } from "./declared.ts";

type Ref = ScaleTarget["ref"];
type Autoscaler = KubeObject & Readonly<{ spec?: Readonly<{ scaleTargetRef?: Partial<Ref> }> }>;

const autoscalerKind: Kind = {
  apiVersion: "autoscaling/v2",
  kind: "HorizontalPodAutoscaler",
  plural: "horizontalpodautoscalers",
  namespaced: true,
};

/** Whether both name the same object, whatever version of its group they say. */
const isSameTarget = (a: Partial<Ref>, b: Partial<Ref>): boolean =>
  a.name === b.name && a.kind === b.kind && groupOf(a.apiVersion) === groupOf(b.apiVersion);

const groupOf = (apiVersion = ""): string => (apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "");

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
      return [...watches.workers.entries()].flatMap(([, { parsed }]) => {
        const spec = parsed.worker?.target;
        return parsed.namespace === namespace && spec?.kind === "scale" && isSameTarget(spec.ref, target) ? [parsed.name] : [];
      });
    },
    autoscalersOn: (namespace, target) =>
      known(async () => {
        const { items } = await kube.list<Autoscaler>({ kind: autoscalerKind, namespace });
        return items.filter(({ spec }) => isSameTarget(spec?.scaleTargetRef ?? {}, target)).map(({ metadata }) => metadata.name);
      }),
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
