// The values of the Helm chart, declared once: values.yaml and values.schema.json follow.
import { z } from "zod";
import { image, label, metrics, name, piece, pieces, strings, webhook } from "./chart-parts.ts";

export const chartValues = z.strictObject({
  global: piece().optional().describe("Not used. Helm passes it to charts that are part of another."),
  scope: z
    .enum(["cluster", "namespaced"])
    .default("cluster")
    .describe("`cluster` serves all namespaces; `namespaced` only those of `namespaces`, without any ClusterRole."),
  namespaces: z.array(label()).default([]).describe("Namespaces to serve, with scope `namespaced`. Empty: the release's own."),
  replicas: z.int().min(1).max(5).default(1).describe("Controllers: one leads, the others stand by, warm."),
  image,
  imagePullSecrets: z
    .array(z.strictObject({ name: name() }))
    .default([])
    .describe("Secrets by which the image is pulled."),
  nameOverride: name().default("").describe("In place of the chart's name."),
  fullnameOverride: name().default("").describe("In place of the name that all objects begin with."),
  commonLabels: strings().default({}).describe("Labels of every object."),
  crds: z
    .strictObject({
      install: z.boolean().default(true).describe("Install and upgrade the custom resource definitions."),
      keep: z.boolean().default(true).describe("Leave them, and all ScaledWorkers with them, at `helm uninstall`."),
    })
    .prefault({})
    .describe("Custom resource definitions."),
  rbac: z
    .strictObject({
      create: z.boolean().default(true).describe("Make the roles and bindings of docs/reference/permissions.md."),
      aggregateClusterRoles: z.boolean().default(true).describe("Let `view`, `edit` and `admin` see and write our kinds."),
    })
    .prefault({})
    .describe("Rights."),
  serviceAccount: z
    .strictObject({
      create: z.boolean().default(true).describe("Make one."),
      name: name().default("").describe("Its name. Empty: the release's; with `create: false`: `default`."),
      annotations: strings().default({}).describe("For identities of a cloud."),
    })
    .prefault({})
    .describe("Account that the controller runs under."),
  secrets: z
    .strictObject({
      all: z.boolean().default(false).describe("May read all Secrets and ConfigMaps of the namespaces that it serves."),
      names: z.array(z.string().min(1)).default([]).describe("May read those of these names."),
    })
    .prefault({})
    .describe(
      "Credentials that it may read. At first none: a namespace can also grant it by a RoleBinding to `worktide-secrets`.",
    ),
  targets: z
    .array(
      z.strictObject({
        group: z.string().min(1).describe("API group."),
        resources: z.array(z.string().min(1)).min(1).describe("Plural names."),
      }),
    )
    .default([])
    .describe("More kinds with a `scale` subresource that may be scaled. Example: `{ group: example.org, resources: [crews] }`."),
  config: z
    .strictObject({
      logLevel: z.enum(["error", "warn", "info", "debug"]).default("info").describe("What is logged."),
      logFormat: z.enum(["json", "pretty"]).default("json").describe("How."),
      leaseDuration: z
        .string()
        .regex(/^\d+s$/)
        .default("15s")
        .describe("After so long without a word of the leader another replica takes over."),
      page: z
        .enum(["loopback", "network"])
        .default("loopback")
        .describe("Who gets the page and the API: those who come by kubectl port-forward, or all of the network."),
      allowHosts: z
        .array(z.string().min(1))
        .default([])
        .describe("Names, besides addresses and localhost, that the page may be asked for by."),
    })
    .prefault({})
    .describe("Settings of the controller."),
  extraArgs: z.array(z.string()).default([]).describe("More arguments of `worktide controller`."),
  extraEnv: pieces().default([]).describe("More environment variables."),
  extraEnvFrom: pieces().default([]).describe("Environment from Secrets or ConfigMaps."),
  extraVolumes: pieces().default([]).describe("More volumes of the pod."),
  extraVolumeMounts: pieces().default([]).describe("Where they are mounted."),
  webhook,
  service: z
    .strictObject({ annotations: strings().default({}).describe("Annotations.") })
    .prefault({})
    .describe("The Service, a ClusterIP."),
  networkPolicy: z
    .strictObject({
      enabled: z.boolean().default(true).describe("Limit who may reach the controller."),
      scrapers: pieces()
        .default([{ namespaceSelector: { matchLabels: { "worktide.dev/may-scrape": "true" } } }])
        .describe("Who may, besides its own namespace: peers of a NetworkPolicy."),
    })
    .prefault({})
    .describe("NetworkPolicy."),
  podDisruptionBudget: z
    .strictObject({
      enabled: z
        .boolean()
        .default(true)
        .describe("Make one where there are several replicas. With one it would hold up every drain."),
      maxUnavailable: z.int().min(1).max(4).default(1).describe("How many may be away at once."),
    })
    .prefault({})
    .describe("PodDisruptionBudget."),
  metrics,
  resources: piece()
    .default({ requests: { cpu: "50m", memory: "128Mi" }, limits: { memory: "512Mi" } })
    .describe("CPU and memory. 10,000 ScaledWorkers need some 400 Mi."),
  podSecurityContext: piece()
    .default({ runAsNonRoot: true, runAsUser: 65532, runAsGroup: 65532, seccompProfile: { type: "RuntimeDefault" } })
    .describe("Fits the Pod Security Standard `restricted`."),
  securityContext: piece()
    .default({ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"] } })
    .describe("The same of the container."),
  podAnnotations: strings().default({}).describe("Annotations of the pod."),
  podLabels: strings().default({}).describe("Labels of the pod."),
  priorityClassName: z.string().default("").describe("Example: `system-cluster-critical`, where the cluster allows it here."),
  nodeSelector: strings().default({ "kubernetes.io/os": "linux" }).describe("Nodes that it may run on."),
  tolerations: pieces().default([]).describe("Taints that it bears."),
  affinity: piece().default({}).describe("Affinity of the pod."),
  topologySpreadConstraints: pieces().default([]).describe("Empty: several replicas prefer different nodes and zones."),
  terminationGracePeriodSeconds: z.int().min(1).max(600).default(30).describe("How long it may take to hand over."),
  extraObjects: z
    .array(z.union([z.string(), piece()]))
    .default([])
    .describe("More objects of the release; each may be a template."),
});
