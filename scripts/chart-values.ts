// The values of the Helm chart, declared once: values.yaml and values.schema.json follow.
import { z } from "zod";

const strings = () => z.record(z.string(), z.string());
/** A piece of a pod as Kubernetes declares it: checked by the API server, not by us. */
const piece = () => z.record(z.string(), z.unknown());
const pieces = () => z.array(piece());
const name = () => z.string().max(63);
const label = () => z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);

const image = z
  .strictObject({
    repository: z.string().min(1).default("worktide").describe("Where the image is, without its tag."),
    tag: z.string().default("").describe("Tag. Empty: the version of the chart's app."),
    digest: z
      .string()
      .regex(/^(sha256:[0-9a-f]{64})?$/)
      .default("")
      .describe("Pins the image; counts before the tag."),
    pullPolicy: z.enum(["IfNotPresent", "Always", "Never"]).default("IfNotPresent").describe("When it is pulled."),
  })
  .prefault({})
  .describe("The controller's image.");

const webhook = z
  .strictObject({
    enabled: z.boolean().default(true).describe("Whether there is one. Scope `namespaced` has none."),
    failurePolicy: z
      .enum(["Ignore", "Fail"])
      .default("Ignore")
      .describe("What happens to a document while no controller answers. `Fail` refuses it."),
    timeoutSeconds: z.int().min(1).max(30).default(5).describe("How long the API server waits for an answer, seconds."),
    certManager: z
      .strictObject({
        enabled: z
          .boolean()
          .default(false)
          .describe("Take the certificate from cert-manager; else the controller makes and rotates it."),
        issuer: z
          .strictObject({
            kind: z.enum(["Issuer", "ClusterIssuer"]).default("Issuer").describe("Kind of the issuer."),
            name: name().default("").describe("Name of the issuer. Empty: one of its own, self-signed."),
          })
          .prefault({})
          .describe("Who signs it."),
      })
      .prefault({})
      .describe("Certificate by cert-manager."),
  })
  .prefault({})
  .describe("Has the API server ask before a ScaledWorker or a connection is stored.");

const metrics = z
  .strictObject({
    monitor: z
      .strictObject({
        kind: z
          .enum(["None", "ServiceMonitor", "PodMonitor"])
          .default("None")
          .describe("What the Prometheus Operator scrapes by. One of them, so that nothing is scraped twice."),
        interval: z
          .string()
          .regex(/^\d+(ms|s|m)$/)
          .default("15s")
          .describe("How often."),
        labels: strings().default({}).describe("What your Prometheus selects by. Example: `release: kube-prometheus-stack`."),
      })
      .prefault({})
      .describe("Scraping."),
    rules: z
      .strictObject({
        enabled: z.boolean().default(false).describe("Make a PrometheusRule with the alerts of docs/runbook.md."),
        labels: strings().default({}).describe("What your Prometheus selects rules by."),
        runbookUrl: z.string().default("").describe("Where docs/runbook.md is published: becomes `runbook_url` of each alert."),
        dashboardUrl: z
          .string()
          .default("")
          .describe("Address of the dashboard in your Grafana: becomes `dashboard_url` of each alert."),
      })
      .prefault({})
      .describe("Alerts."),
    dashboard: z
      .strictObject({
        enabled: z.boolean().default(false).describe("Make a ConfigMap that Grafana's sidecar finds."),
        labels: strings().default({ grafana_dashboard: "1" }).describe("What the sidecar selects by."),
        annotations: strings().default({}).describe("For the sidecar, such as the folder."),
      })
      .prefault({})
      .describe("Dashboard."),
  })
  .prefault({})
  .describe("Metrics are always served, at `/metrics` of port 8484.");

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
