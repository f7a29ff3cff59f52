import type { SecretAccess } from "./manifest.ts";

/**
 * Where a right holds: `watched` in each namespace that is served (everywhere with scope `cluster`), `own` in the
 * controller's namespace, `cluster` on what belongs to no namespace (absent with scope `namespaced`). Those that only a
 * webhook with a certificate of our own needs are `webhook` in the controller's namespace, `webhook-cluster` beyond.
 */
export const reaches = ["watched", "own", "cluster", "webhook", "webhook-cluster"] as const;
export type Reach = (typeof reaches)[number];

/** One right of the controller, why it has it, and the code that uses it. */
export type Permission = Readonly<{
  reach: Reach;
  group: string;
  resources: readonly string[];
  /** Only objects of these names. */
  names?: readonly string[];
  verbs: readonly string[];
  why: string;
  /** Files of this repository. */
  code: readonly string[];
}>;

export type PolicyRule = Readonly<{
  apiGroups: readonly string[];
  resources: readonly string[];
  resourceNames?: readonly string[];
  verbs: readonly string[];
}>;

const read = ["get", "list", "watch"] as const;
/** Enough for what is followed by a watch, and never asked for one by one. */
const follow = ["list", "watch"] as const;

/** Everything that the controller may do, Secrets aside: {@link secretRules}. */
export const permissions: readonly Permission[] = [
  {
    reach: "watched",
    group: "worktide.dev",
    resources: ["scaledworkers", "queueconnections"],
    verbs: read,
    why: "Knows what is declared, and when it changes.",
    code: ["src/cluster/watches.ts"],
  },
  {
    reach: "watched",
    group: "worktide.dev",
    resources: ["scaledworkers"],
    verbs: ["patch"],
    why: "Sets and removes the finalizer of those with `onDelete: Restore`; nothing else of them is ever written.",
    code: ["src/cluster/restore.ts"],
  },
  {
    reach: "watched",
    group: "worktide.dev",
    resources: ["scaledworkers/status", "queueconnections/status"],
    verbs: ["patch"],
    why: "Writes status, only when it changes.",
    code: ["src/kube/status.ts"],
  },
  {
    reach: "watched",
    group: "apps",
    resources: ["deployments", "replicasets", "statefulsets"],
    verbs: follow,
    why: "Knows how large a target is, and whether it is being rolled out.",
    code: ["src/targets/watches.ts", "src/targets/scale-object.ts"],
  },
  {
    reach: "watched",
    group: "apps",
    resources: ["deployments/scale", "replicasets/scale", "statefulsets/scale"],
    verbs: ["get", "update", "patch"],
    why: "Sets the size of a target. Nothing else of it is ever written.",
    code: ["src/targets/scale-write.ts"],
  },
  {
    reach: "watched",
    group: "argoproj.io",
    resources: ["rollouts"],
    verbs: follow,
    why: "The same for Argo Rollouts.",
    code: ["src/targets/watches.ts"],
  },
  {
    reach: "watched",
    group: "argoproj.io",
    resources: ["rollouts/scale"],
    verbs: ["get", "update", "patch"],
    why: "Sets their size.",
    code: ["src/targets/scale-write.ts"],
  },
  {
    reach: "watched",
    group: "",
    resources: ["pods"],
    verbs: [...read, "delete"],
    why: "Knows which pods are ready, which leave, and which are whose; counts those that a trigger `kubernetesWorkload` selects; ends the one that is idle, and no other, when a pool shrinks.",
    code: ["src/targets/pods.ts", "src/cluster/pods-broker.ts", "src/targets/scale-write.ts"],
  },
  {
    reach: "watched",
    group: "batch",
    resources: ["jobs"],
    verbs: [...read, "create", "delete"],
    why: "Makes the Jobs of a `job` target, and removes finished ones past the history limits or of a ScaledWorker that is gone.",
    code: ["src/targets/watches.ts", "src/targets/job-make.ts", "src/cluster/job-orphans.ts"],
  },
  {
    reach: "watched",
    group: "autoscaling",
    resources: ["horizontalpodautoscalers"],
    verbs: follow,
    why: "Sees that another autoscaler has the same target, and leaves it to that one.",
    code: ["src/cluster/autoscalers.ts", "src/cluster/claims.ts"],
  },
  {
    reach: "watched",
    group: "events.k8s.io",
    resources: ["events"],
    verbs: ["create", "patch"],
    why: "Tells of every change of size, repeats folded into one.",
    code: ["src/kube/events.ts"],
  },
  {
    reach: "own",
    group: "coordination.k8s.io",
    resources: ["leases"],
    verbs: ["create"],
    why: "Elects a leader. (A rule for creating cannot name its object.)",
    code: ["src/kube/lease.ts"],
  },
  {
    reach: "own",
    group: "coordination.k8s.io",
    resources: ["leases"],
    names: ["worktide"],
    verbs: [...read, "update"],
    why: "Sees who leads; renews the lease, and gives it up at the end.",
    code: ["src/kube/lease.ts"],
  },
  {
    reach: "webhook",
    group: "",
    resources: ["secrets"],
    names: ["worktide-webhook"],
    verbs: ["get", "update"],
    why: "Keeps the certificate of the webhook, so that all replicas have the same one, and rotates it.",
    code: ["src/kube/webhook-certificate.ts"],
  },
  {
    reach: "cluster",
    group: "worktide.dev",
    resources: ["clusterqueueconnections"],
    verbs: read,
    why: "Knows the connections that are shared by namespaces.",
    code: ["src/cluster/watches.ts"],
  },
  {
    reach: "cluster",
    group: "worktide.dev",
    resources: ["clusterqueueconnections/status"],
    verbs: ["patch"],
    why: "Writes their status, only when it changes.",
    code: ["src/kube/status.ts"],
  },
  {
    reach: "webhook-cluster",
    group: "admissionregistration.k8s.io",
    resources: ["validatingwebhookconfigurations"],
    names: ["worktide"],
    verbs: ["get", "patch"],
    why: "Tells the API server which certificate the webhook has.",
    code: ["src/kube/webhook-certificate.ts"],
  },
];

/** The rules of RBAC that grant the permissions of these reaches. */
export function rulesOf(reaches: readonly Reach[], from: readonly Permission[] = permissions): readonly PolicyRule[] {
  return from
    .filter(({ reach }) => reaches.includes(reach))
    .map(({ group, resources, names, verbs }) => ({
      apiGroups: [group],
      resources,
      ...(names === undefined ? {} : { resourceNames: names }),
      verbs,
    }));
}

/** Rights on what holds credentials and CA certificates. With names, a list or watch of all of them is refused. */
export function secretRules(access: SecretAccess): readonly PolicyRule[] {
  if (access === "none" || access.length === 0) return [];
  const names = access === "all" ? {} : { resourceNames: access };
  return [{ apiGroups: [""], resources: ["secrets", "configmaps"], ...names, verbs: read }];
}
