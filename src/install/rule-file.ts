import type { Alert } from "./alert.ts";
import { alertGroups } from "./alerts.ts";
import { workerName } from "./worker-alerts.ts";

/** The groups in the form of a Prometheus rule file, which is also the `spec` of a PrometheusRule. */
export function ruleGroups() {
  return {
    groups: alertGroups.map((group) => ({
      name: group.name,
      rules: group.alerts.map(({ name: alert, severity, expr, for: duration, summary, description }) => ({
        alert,
        expr,
        for: duration,
        labels: { severity },
        annotations: { summary, description, runbook: `docs/runbook.md#${alert.toLowerCase()}` },
      })),
    })),
  };
}

/** docs/runbook.md. */
export function runbookPage(): string {
  const head = [
    "<!-- Generated from the alerts in src/install by scripts/generate.ts: change it there. -->",
    "# Runbook",
    "What each alert means, and what to do, the likeliest cause first. The rules are in `manifests/components/monitoring` and in the\nHelm chart (`metrics.rules.enabled`). Only `WorktideDown`, `WorktideNoLeader`, `WorktideWorkNotDraining` and\n`WorktideStuckAtZero` are worth waking somebody.",
  ];
  const sections = alertGroups.flatMap(({ alerts }) => alerts.map(section));
  return `${[...head, ...sections].join("\n\n")}\n`;
}

function section({ name: title, severity, expr, for: duration, summary, runbook }: Alert): string {
  const plain = summary.replaceAll(workerName, "A ScaledWorker").replaceAll("{{ $labels.connection }}", "a connection");
  return [
    `## ${title}`,
    `**${plain}** (${severity}, after ${duration})`,
    runbook.map((step, index) => `${index + 1}. ${step}`).join("\n"),
    `\`\`\`promql\n${expr}\n\`\`\``,
  ].join("\n\n");
}
