import { type Permission, permissions, type Reach } from "./permissions.ts";

const sections: readonly Readonly<{ of: readonly Reach[]; title: string; text: string }>[] = [
  {
    of: ["watched"],
    title: "In the namespaces that it serves",
    text: "All of them with scope `cluster` (ClusterRole `worktide`); with scope `namespaced` only those that are named (Role\n`worktide-workers` in each).",
  },
  { of: ["own"], title: "In its own namespace", text: "Role `worktide`." },
  {
    of: ["cluster"],
    title: "On what belongs to no namespace",
    text: "Only with scope `cluster` (ClusterRole `worktide`). With scope `namespaced` there is no ClusterRole at all, and with it no\nClusterQueueConnection and no webhook.",
  },
  {
    of: ["webhook", "webhook-cluster"],
    title: "For its webhook",
    text: "Role and ClusterRole `worktide-webhook`. Not with `--no-webhook`, not with scope `namespaced`, and not where cert-manager has the\ncertificate.",
  },
];

/** docs/reference/permissions.md. */
export function permissionsPage(): string {
  const parts = [
    "<!-- Generated from src/install/permissions.ts by scripts/generate.ts: change it there. -->",
    "# Permissions",
    "All that the controller may do, why, and the code that does it. There is nothing else: no `*`, no kind that is not named, and of\na target only its `scale` is ever written.",
    ...sections.flatMap(({ of, title, text }) => [
      `## ${title}`,
      text,
      table(permissions.filter(({ reach }) => of.includes(reach))),
    ]),
    "## Secrets and ConfigMaps",
    secretsText,
    "## Other targets",
    targetsText,
    "## What people may do",
    peopleText,
  ];
  return `${parts.join("\n\n")}\n`;
}

function table(rows: readonly Permission[]): string {
  const lines = rows.map(({ group, resources, names, verbs, why, code }) => {
    const what = resources.map((resource) => `\`${resource}\``).join(", ");
    const which = names === undefined ? what : `${what} named ${names.map((name) => `\`${name}\``).join(", ")}`;
    const files = code.map((path) => `[${path}](../../${path})`).join(", ");
    return `| ${group === "" ? "core" : group} | ${which} | ${verbs.join(", ")} | ${why} | ${files} |`;
  });
  return ["| group | resources | verbs | why | code |", "|---|---|---|---|---|", ...lines].join("\n");
}

const secretsText = `A connection names the Secret of its credential (and the Secret or ConfigMap of a CA certificate), and Worktide watches it by this
name, so that a rotated password counts at once. After an install it may read **none**: who owns a namespace lets it read those
of that namespace,

\`\`\`sh
kubectl -n shop create rolebinding worktide-secrets --clusterrole=worktide-secrets \\
  --serviceaccount=worktide-system:worktide
\`\`\`

or whoever installs it decides for all: \`worktide manifests --secrets NAME,NAME\` (Helm: \`secrets.names\`) grants \`get\`, \`list\` and
\`watch\` of Secrets and ConfigMaps of these names only, \`--secrets all\` (Helm: \`secrets.all\`) of all of them. A Secret that may not
be read is said at once by the condition Ready, with the reason \`SecretNotFound\`.`;

const targetsText = `Anything else with a \`scale\` subresource can be a target once the controller may read it and write its \`scale\`:

\`\`\`yaml
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: { name: worktide-more-targets }
rules:
  - { apiGroups: [example.org], resources: [crews], verbs: [list, watch] }
  - { apiGroups: [example.org], resources: [crews/scale], verbs: [get, update, patch] }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: worktide-more-targets }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: worktide-more-targets }
subjects: [{ kind: ServiceAccount, name: worktide, namespace: worktide-system }]
\`\`\`

Helm: \`targets\`.`;

const peopleText = `ScaledWorkers and QueueConnections join the usual roles: \`view\` may read them, \`edit\` and \`admin\` may write them (ClusterRoles
\`worktide-view\` and \`worktide-edit\`). A ClusterQueueConnection serves many namespaces and stays with the administrators of the cluster.`;
