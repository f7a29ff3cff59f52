import { appName, type InstallOptions, labelsOf, type Manifest, serviceAccountOf } from "./manifest.ts";
import { type PolicyRule, rulesOf, secretRules } from "./permissions.ts";

const rbac = "rbac.authorization.k8s.io/v1";
const rbacGroup = "rbac.authorization.k8s.io";
const secretsName = `${appName}-secrets`;

export function serviceAccount(options: InstallOptions): Manifest {
  const { namespace } = options;
  // The pod asks for its token itself: whoever else runs under this account gets none unasked.
  const metadata = { name: appName, namespace, labels: labelsOf(options) };
  return { apiVersion: "v1", kind: "ServiceAccount", metadata, automountServiceAccountToken: false };
}

/** What the controller needs in its own namespace, whatever it serves. */
export function ownAccess(options: InstallOptions): readonly Manifest[] {
  return granted(options, appName, rulesOf(["own"]), options.namespace);
}

/** What it needs to make and rotate the certificate of its webhook. */
export function webhookAccess(options: InstallOptions): readonly Manifest[] {
  const name = `${appName}-webhook`;
  return [
    ...granted(options, name, rulesOf(["webhook"]), options.namespace),
    ...granted(options, name, rulesOf(["webhook-cluster"])),
  ];
}

/** What it needs in the namespaces that it serves, and of what belongs to no namespace. */
export function servedAccess(options: InstallOptions): readonly Manifest[] {
  const { scope, namespaces, secrets } = options;
  const ofSecrets = secretRules(secrets);
  if (scope === "cluster") {
    const grantable =
      secrets === "none" ? [role(options, secretsName, secretRules("all"))] : granted(options, secretsName, ofSecrets);
    return [...granted(options, appName, rulesOf(["watched", "cluster"])), ...grantable, ...aggregatedRoles(options)];
  }
  return namespaces.flatMap((namespace) => [
    ...granted(options, `${appName}-workers`, rulesOf(["watched"]), namespace),
    ...(ofSecrets.length === 0 ? [] : granted(options, secretsName, ofSecrets, namespace)),
  ]);
}

/** What people with the usual roles view, edit and admin of a namespace may do with our kinds in it. */
function aggregatedRoles(options: InstallOptions): readonly Manifest[] {
  const resources = ["scaledworkers", "queueconnections"];
  const rule = (verbs: readonly string[]): PolicyRule => ({ apiGroups: ["worktide.dev"], resources, verbs });
  const aggregated = (roles: readonly string[]) =>
    Object.fromEntries(roles.map((name) => [`${rbacGroup}/aggregate-to-${name}`, "true"]));
  const write = ["create", "update", "patch", "delete", "deletecollection"];
  return [
    role(options, `${appName}-view`, [rule(["get", "list", "watch"])], undefined, aggregated(["view", "edit", "admin"])),
    role(options, `${appName}-edit`, [rule(write)], undefined, aggregated(["edit", "admin"])),
  ];
}

/** A role and its binding to the controller: in one namespace, or without one for the whole cluster. */
function granted(options: InstallOptions, name: string, rules: readonly PolicyRule[], namespace?: string): readonly Manifest[] {
  const kind = namespace === undefined ? "ClusterRole" : "Role";
  const metadata = { name, ...(namespace === undefined ? {} : { namespace }), labels: labelsOf(options) };
  const roleRef = { apiGroup: rbacGroup, kind, name };
  const binding = { apiVersion: rbac, kind: `${kind}Binding`, metadata, roleRef, subjects: [serviceAccountOf(options)] };
  return [role(options, name, rules, namespace), binding];
}

function role(
  options: InstallOptions,
  name: string,
  rules: readonly PolicyRule[],
  namespace?: string,
  labels: Readonly<Record<string, string>> = {},
): Manifest {
  const place = namespace === undefined ? {} : { namespace };
  const metadata = { name, ...place, labels: { ...labelsOf(options), ...labels } };
  return { apiVersion: rbac, kind: namespace === undefined ? "ClusterRole" : "Role", metadata, rules };
}
