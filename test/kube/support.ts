import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after } from "node:test";
import { type ClientOptions, createClient, type KubeClient } from "../../src/kube/client.ts";
import type { Kind, KubeObject } from "../../src/kube/kube.ts";
import type { Access } from "../support/cluster/access.ts";
import { noControlPlane } from "../support/control-plane.ts";
import { type FakeApi, startFakeApi } from "../support/fake-api.ts";
import { sharedControlPlane } from "../support/shared-control-plane.ts";

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

/**
 * The control plane of a file's suites, the common one unless it is told otherwise, and a client of it: both end with the
 * file. `skip`: why there is none, in which case nobody may ask for them.
 */
export async function planeForSuite<Plane extends Access>(
  open: () => Promise<Plane>,
): Promise<Readonly<{ skip: string | false; plane: Plane; kube: KubeClient }>>;
export async function planeForSuite(): Promise<Readonly<{ skip: string | false; plane: Access; kube: KubeClient }>>;
export async function planeForSuite(open: () => Promise<Access> = sharedControlPlane) {
  const skip = await noControlPlane();
  if (skip !== false) return { skip } as never;
  const plane = await open();
  const kube = await clientOf(plane.kubeconfig);
  after(async () => {
    await kube[Symbol.asyncDispose]();
    await plane[Symbol.asyncDispose]();
  });
  return { skip, plane, kube };
}

/** A client that goes through a proxy on this port: to what a kubeconfig points at otherwise. */
export async function clientThrough(
  { kubeconfig, url }: Readonly<{ kubeconfig: string; url: string }>,
  port: number,
  options: Partial<ClientOptions> = {},
): Promise<KubeClient> {
  const folder = await mkdtemp(path.join(tmpdir(), "worktide-kube-"));
  const file = path.join(folder, "kubeconfig");
  await writeFile(file, (await readFile(kubeconfig, "utf8")).replaceAll(new URL(url).host, `127.0.0.1:${port}`));
  const kube = await clientOf(file, options);
  return {
    ...kube,
    async [Symbol.asyncDispose]() {
      await kube[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    },
  };
}
