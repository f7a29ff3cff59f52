/** One alert: when it fires, what it says, and what whoever is called does about it. */
export type Alert = Readonly<{
  name: string;
  severity: "critical" | "warning" | "info";
  expr: string;
  /** For how long the expression must hold. */
  for: string;
  summary: string;
  description: string;
  /** Steps, the likeliest cause first: Markdown, one item each. */
  runbook: readonly string[];
}>;

const worker = "namespace, scaledworker";
const name = "{{ $labels.namespace }}/{{ $labels.scaledworker }}";
/** Several replicas may show the same object: one value of each. */
const one = (metric: string, by = worker) => `max by (${by}) (worktide_${metric})`;
const late = (factor: number) =>
  `(time() - min by (${worker}, trigger) (worktide_queue_oldest_job_timestamp_seconds)) > ${factor} * ${one("queue_wait_target_seconds", `${worker}, trigger`)}`;
/** By the spec, by a person, or since it only observes: then its size is nobody's fault. */
const unlessPaused = `unless on (${worker}) ${one("scaledworker_paused")} == 1`;
const condition = (type: string, status: string) => one(`scaledworker_condition{condition="${type}",status="${status}"}`);
const atMaximum = `${one('scaledworker_rule_info{reason="AtMaximum"}')} == 1 and on (${worker}) ${one("scaledworker_spec_max_replicas")} > ${one("scaledworker_spec_min_replicas")}`;

const explain =
  "`worktide explain NAMESPACE/NAME --url …` (or the page) says why the size is what it is, and what would change it.";

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
    expr: 'sum by (job) (rate(worktide_writes_total{outcome=~"denied|failed"}[10m])) > 0.5 * sum by (job) (rate(worktide_writes_total[10m]))',
    for: "10m",
    summary: "Most sizes that Worktide decides on cannot be written.",
    description: "More than half of the writes of {{ $labels.job }} were denied or failed in 10 minutes.",
    runbook: [
      'Denied: `kubectl get scaledworkers -A` shows `Forbidden`; its message names the kind. Grant `get` and `update` on its `scale` (docs/install.md, "Other targets").',
      "Failed: a quota or an admission webhook of the target's kind refuses, or the API server does not answer. The log has its words.",
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

/** The alerts of single ScaledWorkers. */
const ofWorkers: readonly Alert[] = [
  {
    name: "WorktideWorkNotDraining",
    severity: "critical",
    expr: `${late(3)} ${unlessPaused}`,
    for: "10m",
    summary: `Jobs of ${name} wait far longer than asked for.`,
    description: `The oldest job of the trigger {{ $labels.trigger }} of ${name} waits for {{ $value | humanizeDuration }}: more than three times its goal.`,
    runbook: [
      explain,
      "At its maximum: raise `spec.replicas.max`, or see why jobs take longer than usual.",
      "Below what it wants: pods are missing (see WorktideNotConverging) or workers take no jobs (their own log).",
    ],
  },
  {
    name: "WorktideStuckAtZero",
    severity: "critical",
    expr: `max by (${worker}) (worktide_queue_wanted_replicas) > 0 and on (${worker}) ${one("scaledworker_current_replicas")} == 0 ${unlessPaused}`,
    for: "5m",
    summary: `${name} has work and no worker.`,
    description: `Triggers of ${name} ask for {{ $value }} replicas, and there has been none for 5 minutes.`,
    runbook: [
      explain,
      "`kubectl get scaledworker NAME -n NAMESPACE -o yaml`: do the conditions name a reason (`Forbidden`, `TargetNotFound`, a person's zero)?",
      "The size was written and no pod comes: `kubectl describe` of the target and its ReplicaSet tells of quota, image, or missing nodes.",
    ],
  },
  {
    name: "WorktideMaxedOut",
    severity: "warning",
    expr: `(${atMaximum}) and on (${worker}) ((max by (${worker}) (${late(1)})) or (${atMaximum} unless on (${worker}) worktide_queue_wait_target_seconds))`,
    for: "15m",
    summary: `${name} is at its maximum and would use more.`,
    description: `${name} has had its largest size for 15 minutes while its goal asks for more.`,
    runbook: [
      "Being at the maximum can be what you want. If the wait is fine as it is, ask for less in the goal.",
      "Else raise `spec.replicas.max`, as far as what the jobs lean on (database, API limits) bears it.",
    ],
  },
  {
    name: "WorktideNotConverging",
    severity: "warning",
    expr: `(${one("scaledworker_desired_replicas")} != ${one("scaledworker_current_replicas")}) and on (${worker}) (max by (${worker}) (changes(worktide_scaledworker_current_replicas[15m])) == 0) ${unlessPaused}`,
    for: "15m",
    summary: `${name} does not reach the size that was decided.`,
    description: `${name} should have {{ $value }} replicas, and their number has not moved for 15 minutes.`,
    runbook: [
      "`kubectl get pods` of the target: Pending means no room (nodes, quota, affinity), ImagePullBackOff a wrong image.",
      'More than decided: a worker that is leaving still has a job in hand, or another controller sets the size: `kubectl get hpa -A`, GitOps with a pinned `replicas` (docs/install.md, "GitOps").',
    ],
  },
  {
    name: "WorktideReadingStale",
    severity: "warning",
    expr: `${condition("ReadingsFresh", "false")} == 1`,
    for: "5m",
    summary: `${name} is sized by old readings.`,
    description: `A queue of ${name} was not read in time for 5 minutes: the size holds, and does not fall.`,
    runbook: [
      "`kubectl describe scaledworker NAME -n NAMESPACE`: the condition ReadingsFresh names the trigger and what is wrong with it.",
      "A queue that was renamed or deleted, a key of another type, a right that was taken away? Else see WorktideReadingErrors.",
      "`spec.fallback` sets a size for outages that last.",
    ],
  },
  {
    name: "WorktideNotReady",
    severity: "warning",
    expr: `${condition("Ready", "true")} == 0`,
    for: "15m",
    summary: `${name} is not ready.`,
    description: `The condition Ready of ${name} has not been True for 15 minutes.`,
    runbook: [
      "`kubectl get scaledworker NAME -n NAMESPACE`: REASON says it in a word, the condition's message names the thing and the way out.",
    ],
  },
  {
    name: "WorktidePausedTooLong",
    severity: "warning",
    expr: `${one("scaledworker_paused")} == 1 unless on (${worker}) worktide_scaledworker_info{mode="Observe"}`,
    for: "25h",
    summary: `${name} has been paused for more than a day.`,
    description: `${name} is paused, and was a day ago: its size does not follow its work.`,
    runbook: [
      "Ask who paused it (the condition Paused says how), and go on, or silence this for as long as it is meant to last.",
    ],
  },
  {
    name: "WorktideFlapping",
    severity: "warning",
    expr: `max by (${worker}) (resets(worktide_scaledworker_desired_replicas[1h])) > 20`,
    for: "15m",
    summary: `${name} is shrunk and grown over and over.`,
    description: `${name} was shrunk {{ $value }} times in an hour.`,
    runbook: [
      "Are the waves real? Then a longer `behavior.scaleDown.stabilizationWindowSeconds` or `scaleDown.cooldown` keeps workers over the gap.",
      "Does another controller set the size too? `kubectl get hpa -A`, GitOps with a pinned `replicas`.",
    ],
  },
];

export type AlertGroup = Readonly<{ name: string; alerts: readonly Alert[] }>;

export const alertGroups: readonly AlertGroup[] = [
  { name: "worktide-controller", alerts: ofController },
  { name: "worktide-connections", alerts: ofConnections },
  { name: "worktide-workers", alerts: ofWorkers },
];

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
    "<!-- Generated from src/install/alerts.ts by scripts/generate.ts: change it there. -->",
    "# Runbook",
    "What each alert means, and what to do, the likeliest cause first. The rules are in `manifests/components/monitoring` and in the\nHelm chart (`metrics.rules.enabled`). Only `WorktideDown`, `WorktideNoLeader`, `WorktideWorkNotDraining` and\n`WorktideStuckAtZero` are worth waking somebody.",
  ];
  const sections = alertGroups.flatMap(({ alerts }) => alerts.map(section));
  return `${[...head, ...sections].join("\n\n")}\n`;
}

function section({ name: title, severity, expr, for: duration, summary, runbook }: Alert): string {
  const plain = summary.replaceAll(name, "A ScaledWorker").replaceAll("{{ $labels.connection }}", "a connection");
  return [
    `## ${title}`,
    `**${plain}** (${severity}, after ${duration})`,
    runbook.map((step, index) => `${index + 1}. ${step}`).join("\n"),
    `\`\`\`promql\n${expr}\n\`\`\``,
  ].join("\n\n");
}
