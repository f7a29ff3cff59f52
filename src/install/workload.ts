import { appName, type InstallOptions, labelsOf, type Manifest, selectorLabels } from "./manifest.ts";

/** Ports of the pod: metrics, probes, API and page; and the webhook. */
const ports = { http: 8484, webhook: 9443 } as const;

export function namespaceOf(options: InstallOptions): Manifest {
  const labels = { ...labelsOf(options), "pod-security.kubernetes.io/enforce": "restricted" };
  return { apiVersion: "v1", kind: "Namespace", metadata: { name: options.namespace, labels } };
}

export function deployment(options: InstallOptions): Manifest {
  const { namespace, replicas } = options;
  const labels = labelsOf(options);
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: appName, namespace, labels },
    spec: {
      replicas,
      revisionHistoryLimit: 3,
      selector: { matchLabels: selectorLabels },
      // The new one stands by, warm, before the old one gives its lease up.
      strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      template: { metadata: { labels }, spec: podSpec(options) },
    },
  };
}

function podSpec(options: InstallOptions) {
  const spread = (topologyKey: string) => ({
    maxSkew: 1,
    topologyKey,
    whenUnsatisfiable: "ScheduleAnyway",
    labelSelector: { matchLabels: selectorLabels },
  });
  return {
    serviceAccountName: appName,
    automountServiceAccountToken: true,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: 30,
    nodeSelector: { "kubernetes.io/os": "linux" },
    securityContext: { runAsNonRoot: true, runAsUser: 65532, runAsGroup: 65532, seccompProfile: { type: "RuntimeDefault" } },
    ...(options.replicas > 1
      ? { topologySpreadConstraints: [spread("kubernetes.io/hostname"), spread("topology.kubernetes.io/zone")] }
      : {}),
    containers: [container(options)],
  };
}

function container(options: InstallOptions) {
  const { image, webhook } = options;
  return {
    name: "controller",
    image,
    imagePullPolicy: "IfNotPresent",
    args: ["controller"],
    env: environment(options),
    ports: [{ name: "http", containerPort: ports.http }, ...(webhook ? [{ name: "webhook", containerPort: ports.webhook }] : [])],
    startupProbe: { httpGet: { path: "/healthz", port: "http" }, periodSeconds: 1, failureThreshold: 60 },
    livenessProbe: { httpGet: { path: "/healthz", port: "http" }, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 3 },
    readinessProbe: { httpGet: { path: "/readyz", port: "http" }, periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 3 },
    resources: { requests: { cpu: "50m", memory: "128Mi" }, limits: { memory: "512Mi" } },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    },
  };
}

/** Settings of `worktide controller`. Where it serves its own namespace only, it asks the pod which one that is. */
function environment({ scope, namespace, namespaces, webhook }: InstallOptions) {
  const ownOnly = namespaces.length === 1 && namespaces[0] === namespace;
  const served = ownOnly ? { valueFrom: { fieldRef: { fieldPath: "metadata.namespace" } } } : { value: namespaces.join(",") };
  return [
    { name: "WORKTIDE_LISTEN", value: `0.0.0.0:${ports.http}` },
    ...(scope === "namespaced" ? [{ name: "WORKTIDE_NAMESPACES", ...served }] : []),
    ...(webhook ? [{ name: "WORKTIDE_WEBHOOK", value: `0.0.0.0:${ports.webhook}` }] : []),
  ];
}

export function service(options: InstallOptions): Manifest {
  const { namespace, webhook } = options;
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: appName, namespace, labels: labelsOf(options) },
    spec: {
      selector: selectorLabels,
      ports: [
        { name: "http", port: ports.http, targetPort: "http" },
        ...(webhook ? [{ name: "webhook", port: 443, targetPort: "webhook" }] : []),
      ],
    },
  };
}

/**
 * Who may reach the controller: its own namespace and those of the label below (for the scraper of metrics), and the API
 * server, whose address no selector can name. What it reaches itself is not limited: brokers are anywhere.
 */
export function networkPolicy(options: InstallOptions): Manifest {
  const { namespace, webhook } = options;
  const scrapers = { namespaceSelector: { matchLabels: { "worktide.dev/may-scrape": "true" } } };
  const own = { podSelector: {} };
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: appName, namespace, labels: labelsOf(options) },
    spec: {
      podSelector: { matchLabels: selectorLabels },
      policyTypes: ["Ingress"],
      ingress: [
        { from: [own, scrapers], ports: [{ port: "http", protocol: "TCP" }] },
        ...(webhook ? [{ ports: [{ port: "webhook", protocol: "TCP" }] }] : []),
      ],
    },
  };
}

/** Only with several replicas: with one it would hold up every drain of its node. */
export function disruptionBudget(options: InstallOptions): Manifest {
  return {
    apiVersion: "policy/v1",
    kind: "PodDisruptionBudget",
    metadata: { name: appName, namespace: options.namespace, labels: labelsOf(options) },
    spec: { maxUnavailable: 1, selector: { matchLabels: selectorLabels } },
  };
}
