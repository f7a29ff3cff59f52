import type { Alert } from "./alert.ts";

const worker = "namespace, scaledworker";
/** The ScaledWorker, in a text of an alert. */
export const workerName = "{{ $labels.namespace }}/{{ $labels.scaledworker }}";
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

/** The alerts of single ScaledWorkers. */
export const workerAlerts: readonly Alert[] = [
  {
    name: "WorktideWorkNotDraining",
    severity: "critical",
    expr: `${late(3)} ${unlessPaused}`,
    for: "10m",
    summary: `Jobs of ${workerName} wait far longer than asked for.`,
    description: `The oldest job of the trigger {{ $labels.trigger }} of ${workerName} waits for {{ $value | humanizeDuration }}: more than three times its goal.`,
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
    summary: `${workerName} has work and no worker.`,
    description: `Triggers of ${workerName} ask for {{ $value }} replicas, and there has been none for 5 minutes.`,
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
    summary: `${workerName} is at its maximum and would use more.`,
    description: `${workerName} has had its largest size for 15 minutes while its goal asks for more.`,
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
    summary: `${workerName} does not reach the size that was decided.`,
    description: `${workerName} should have {{ $value }} replicas, and their number has not moved for 15 minutes.`,
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
    summary: `${workerName} is sized by old readings.`,
    description: `A queue of ${workerName} was not read in time for 5 minutes: the size holds, and does not fall.`,
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
    summary: `${workerName} is not ready.`,
    description: `The condition Ready of ${workerName} has not been True for 15 minutes.`,
    runbook: [
      "`kubectl get scaledworker NAME -n NAMESPACE`: REASON says it in a word, the condition's message names the thing and the way out.",
    ],
  },
  {
    name: "WorktidePausedTooLong",
    severity: "warning",
    expr: `${one("scaledworker_paused")} == 1 unless on (${worker}) worktide_scaledworker_info{mode="Observe"}`,
    for: "25h",
    summary: `${workerName} has been paused for more than a day.`,
    description: `${workerName} is paused, and was a day ago: its size does not follow its work.`,
    runbook: [
      "Ask who paused it (the condition Paused says how), and go on, or silence this for as long as it is meant to last.",
    ],
  },
  {
    name: "WorktideFlapping",
    severity: "warning",
    expr: `max by (${worker}) (resets(worktide_scaledworker_desired_replicas[1h])) > 20`,
    for: "15m",
    summary: `${workerName} is shrunk and grown over and over.`,
    description: `${workerName} was shrunk {{ $value }} times in an hour.`,
    runbook: [
      "Are the waves real? Then a longer `behavior.scaleDown.stabilizationWindowSeconds` or `scaleDown.cooldown` keeps workers over the gap.",
      "Does another controller set the size too? `kubectl get hpa -A`, GitOps with a pinned `replicas`.",
    ],
  },
];
