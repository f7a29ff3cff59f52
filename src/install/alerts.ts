import type { Alert } from "./alert.ts";
import { workerAlerts } from "./worker-alerts.ts";

/** The alerts of the controller itself. */
const ofController: readonly Alert[] = [
  {
    name: "WorktideDown",
    severity: "critical",
    expr: "absent(worktide_build_info)",
    for: "5m",
    summary: "No Worktide is scraped: nothing may be scaling.",
    description: "No Prometheus target has shown worktide_build_info for 5 minutes. Pools keep the size that they have.",
    runbook: [
      "`kubectl -n worktide-system get pods` and `kubectl -n worktide-system logs deploy/worktide --previous`: is it running?",
      'It runs: is it scraped? A ServiceMonitor needs the labels that your Prometheus selects by (often `release`), and the NetworkPolicy admits scrapers only from namespaces labelled `worktide.dev/may-scrape: "true"`.',
      "Until it is back, size by hand: `kubectl scale deployment NAME --replicas N`.",
    ],
  },
  {
    name: "WorktideNoLeader",
    severity: "critical",
    expr: "max by (job) (worktide_leader) == 0",
    for: "5m",
    summary: "No replica of Worktide leads: nothing is scaling.",
    description: "Replicas of {{ $labels.job }} run, and none of them holds the lease.",
    runbook: [
      "`kubectl -n worktide-system get lease worktide -o yaml`: who holds it, and when was it renewed?",
      "Look for `lease` in the log of each replica: a refusal (403) means that its Role lacks `leases`; a timeout means that the API server is slow or out of reach.",
      "A holder that is gone lets go by itself after the lease's length (15 s). Delete the Lease only when its holder runs no more.",
    ],
  },
  {
    name: "WorktideWritesFailing",
    severity: "warning",
    expr: 'sum by (job) (rate(worktide_writes_total{outcome="failed"}[10m])) > 0.5 * sum by (job) (rate(worktide_writes_total[10m]))',
    for: "10m",
    summary: "Most sizes that Worktide decides on cannot be written.",
    description: "More than half of the writes of {{ $labels.job }} failed in 10 minutes.",
    runbook: [
      'Forbidden: `kubectl get scaledworkers -A` shows `Forbidden`; its message names the kind. Grant `get` and `update` on its `scale` (docs/reference/permissions.md, "Other targets").',
      "Anything else: a quota or an admission webhook of the target's kind refuses, or the API server does not answer. The log has its words.",
    ],
  },
  {
    name: "WorktideSeriesFolded",
    severity: "info",
    expr: "max by (job, kind) (worktide_metrics_folded) > 0",
    for: "1h",
    summary: "Some objects have no series of their own: the alerts do not see them one by one.",
    description: "{{ $value }} objects of the kind {{ $labels.kind }} share series (see docs/reference/metrics.md).",
    runbook: ["Split the installation by namespaces, or rely on the conditions of the ScaledWorkers themselves."],
  },
];

/** The alerts of its connections. */
const ofConnections: readonly Alert[] = [
  {
    name: "WorktideReadingErrors",
    severity: "warning",
    expr: "sum by (connection) (rate(worktide_reading_errors_total[10m])) > 0.5 * sum by (connection) (rate(worktide_round_duration_seconds_count[10m]))",
    for: "10m",
    summary: "Queues on {{ $labels.connection }} cannot be read most of the time.",
    description:
      "In more than half of the rounds of the connection {{ $labels.connection }} a reading failed. Pools hold their size meanwhile.",
    runbook: [
      "`kubectl get queueconnections -A`, and `kubectl describe` of this one: the message names the problem (address, credential, timeout, wrong type).",
      "`worktide_reading_errors_total` by `problem` tells a refusal from a timeout.",
      "Test from the cluster: a pod in the controller's namespace, the broker's own client, the same address.",
    ],
  },
  {
    name: "WorktideReadingSlow",
    severity: "warning",
    expr: "histogram_quantile(0.95, sum by (connection, le) (rate(worktide_round_duration_seconds_bucket[5m]))) > 5",
    for: "10m",
    summary: "Reading queues on {{ $labels.connection }} is slow.",
    description: "95 % of the rounds of the connection {{ $labels.connection }} take up to {{ $value | humanizeDuration }}.",
    runbook: [
      "Is the broker itself slow? For Redis: `SLOWLOG GET`, `INFO commandstats`, its CPU.",
      "Is the way to it slow? Compare with a client beside the broker.",
    ],
  },
];

export type AlertGroup = Readonly<{ name: string; alerts: readonly Alert[] }>;

/** Every alert of an install: of the controller, and of each ScaledWorker. */
export const alertGroups: readonly AlertGroup[] = [
  { name: "worktide-controller", alerts: ofController },
  { name: "worktide-connections", alerts: ofConnections },
  { name: "worktide-workers", alerts: workerAlerts },
];
