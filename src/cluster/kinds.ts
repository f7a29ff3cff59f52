import { apiVersion } from "../api/meta.ts";
import type { Kind } from "../kube/kube.ts";

/** Our own custom resources. */

export const scaledWorkerKind: Kind = { apiVersion, kind: "ScaledWorker", plural: "scaledworkers", namespaced: true };
export const connectionKind: Kind = { apiVersion, kind: "QueueConnection", plural: "queueconnections", namespaced: true };
export const clusterConnectionKind: Kind = {
  apiVersion,
  kind: "ClusterQueueConnection",
  plural: "clusterqueueconnections",
  namespaced: false,
};
