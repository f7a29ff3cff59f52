// Parts of the values of the Helm chart.
import { z } from "zod";

export const strings = () => z.record(z.string(), z.string());
/** A piece of a pod as Kubernetes declares it: checked by the API server, not by us. */
export const piece = () => z.record(z.string(), z.unknown());
export const pieces = () => z.array(piece());
export const name = () => z.string().max(63);
export const label = () => z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);

export const image = z
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

export const webhook = z
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

export const metrics = z
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
