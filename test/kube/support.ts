import { type ClientOptions, createClient, type KubeClient } from "../../src/kube/client.ts";
import type { Kind, KubeObject } from "../../src/kube/kube.ts";
import { type FakeApi, startFakeApi } from "../support/fake-api.ts";

export const configMaps: Kind = { apiVersion: "v1", kind: "ConfigMap", plural: "configmaps", namespaced: true };
export const secrets: Kind = { apiVersion: "v1", kind: "Secret", plural: "secrets", namespaced: true };
export const deployments: Kind = { apiVersion: "apps/v1", kind: "Deployment", plural: "deployments", namespaced: true };
export const leases: Kind = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", plural: "leases", namespaced: true };

export type ConfigMap = KubeObject & Readonly<{ data?: Readonly<Record<string, string>> }>;

/** Where the config maps of the fake server's namespace stand. */
export const shop = "/api/v1/namespaces/shop/configmaps";

export const configMap = (name: string, data: Readonly<Record<string, string>> = {}) => ({
  metadata: { name, namespace: "shop" },
  data,
});
export const refTo = (name: string, kind = configMaps) => ({ kind, namespace: "shop", name });

/** A client of a server that does as it is told; both end with the block that holds them. */
export type Rig = AsyncDisposable & Readonly<{ api: FakeApi; kube: KubeClient }>;

export async function createRig(options: Partial<ClientOptions> = {}): Promise<Rig> {
  const api = await startFakeApi();
  const kube = await clientOf(api.kubeconfig, options);
  return {
    api,
    kube,
    async [Symbol.asyncDispose]() {
      await kube[Symbol.asyncDispose]();
      await api[Symbol.asyncDispose]();
    },
  };
}

export const clientOf = (kubeconfig: string, options: Partial<ClientOptions> = {}) =>
  createClient({ access: { kubeconfig: [kubeconfig] }, userAgent: "worktide-test", ...options });
