import { dashboard } from "./dashboard.ts";
import { appName, type InstallOptions, labelsOf, type Manifest, selectorLabels } from "./manifest.ts";
import { ruleGroups } from "./rule-file.ts";

/**
 * What the Prometheus Operator needs to scrape us, the alerts, and the dashboard for Grafana's sidecar.
 * `namespace` stays that of the ScaledWorker, even in a Prometheus that overrides `honorLabels`.
 */
export function monitoring(options: InstallOptions): readonly Manifest[] {
  const metadata = { name: appName, namespace: options.namespace, labels: labelsOf(options) };
  const dashboardLabels = { ...metadata.labels, grafana_dashboard: "1" };
  return [
    {
      apiVersion: "monitoring.coreos.com/v1",
      kind: "ServiceMonitor",
      metadata,
      spec: {
        selector: { matchLabels: selectorLabels },
        endpoints: [
          {
            port: "http",
            path: "/metrics",
            interval: "15s",
            honorLabels: true,
            metricRelabelings: [
              { sourceLabels: ["exported_namespace"], regex: "(.+)", targetLabel: "namespace" },
              { action: "labeldrop", regex: "exported_namespace" },
            ],
          },
        ],
      },
    },
    { apiVersion: "monitoring.coreos.com/v1", kind: "PrometheusRule", metadata, spec: ruleGroups() },
    {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { ...metadata, name: `${appName}-dashboard`, labels: dashboardLabels },
      data: { "worktide.json": `${JSON.stringify(dashboard(), null, 2)}\n` },
    },
  ];
}
