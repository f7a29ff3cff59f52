import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Access, ApiError, openAccess } from "./cluster/access.ts";
import { findPrograms, startControlPlane } from "./control-plane.ts";

/** The variable by which `npm test` tells the test files of the control plane that it started for all of them. */
export const sharedVariable = "WORKTIDE_TEST_KUBECONFIG";

/**
 * The control plane of the whole test run, as its administrator; in a file that runs alone, one of its own. Once per file,
 * with `await using`; each test takes a {@link namespace} of it. Nobody may harm it.
 */
export async function sharedControlPlane(): Promise<Access> {
  const kubeconfig = process.env[sharedVariable];
  if (!kubeconfig) return startControlPlane();
  const programs = await findPrograms();
  if ("missing" in programs) throw new Error(programs.missing);
  return openAccess(kubeconfig, programs.bin);
}

/** A namespace of its own for one test; it goes, with all that is in it, soon after the test. */
export async function namespace(plane: Access): Promise<{ name: string } & AsyncDisposable> {
  const name = `test-${randomBytes(5).toString("hex")}`;
  await plane.request("POST", "/api/v1/namespaces", { metadata: { name } });
  return {
    name,
    [Symbol.asyncDispose]: async () => {
      await plane.request("DELETE", `/api/v1/namespaces/${name}`).catch((error: unknown) => {
        if (!(error instanceof ApiError && error.status === 404)) throw error; // it went in the test
      });
    },
  };
}

/** A rule of RBAC. */
export type Rule = Readonly<{
  apiGroups: readonly string[];
  resources: readonly string[];
  verbs: readonly string[];
  resourceNames?: readonly string[];
}>;

/**
 * A ServiceAccount with its own token and kubeconfig that may do what `rules` say: in its namespace, or in all of them.
 * The kubeconfig goes when it is disposed of; the account with its namespace.
 */
export async function createUser(
  plane: Access,
  user: Readonly<{ namespace: string; name: string; rules: readonly Rule[]; clusterWide?: boolean }>,
): Promise<Access> {
  const { name, namespace, rules, clusterWide = false } = user;
  const core = `/api/v1/namespaces/${namespace}/serviceaccounts`;
  const rbac = `/apis/rbac.authorization.k8s.io/v1${clusterWide ? "" : `/namespaces/${namespace}`}`;
  const [role, roles, bindings] = clusterWide
    ? ["ClusterRole", "clusterroles", "clusterrolebindings"]
    : ["Role", "roles", "rolebindings"];
  const metadata = { name: clusterWide ? `${namespace}-${name}` : name };
  await plane.request("POST", core, { metadata: { name } });
  await plane.request("POST", `${rbac}/${roles}`, { metadata, rules });
  await plane.request("POST", `${rbac}/${bindings}`, {
    metadata,
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: role, name: metadata.name },
    subjects: [{ kind: "ServiceAccount", name, namespace }],
  });
  type TokenRequest = { status: { token: string } };
  const { status } = await plane.request<TokenRequest>("POST", `${core}/${name}/token`, { spec: { expirationSeconds: 7200 } });
  const programs = await findPrograms();
  if ("missing" in programs) throw new Error(programs.missing);
  const dir = await mkdtemp(path.join(tmpdir(), "worktide-user-"));
  const access = await openAccess(path.join(dir, "kubeconfig"), programs.bin, { ...plane, token: status.token });
  return {
    ...access,
    [Symbol.asyncDispose]: async () => {
      await access[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
      if (!clusterWide) return;
      for (const kind of [bindings, roles]) await plane.request("DELETE", `${rbac}/${kind}/${metadata.name}`);
    },
  };
}
