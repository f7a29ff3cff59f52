/** One query of a panel. `legend` is Grafana's, with labels in double braces. */
export type Query = Readonly<{ expr: string; legend?: string }>;

export type Panel = Readonly<{
  title: string;
  /** What it tells, for whoever reads it the first time. */
  help: string;
  kind: "stat" | "timeseries" | "table";
  unit?: "short" | "s" | "reqps" | "bytes" | "percentunit";
  /** Columns of 24. */
  width: number;
  height?: number;
  queries: readonly Query[];
  /** Numbers that change in steps: replicas. */
  steps?: boolean;
  /** From this number on a stat is red. */
  alarm?: number;
}>;

export type Row = Readonly<{ title: string; panels: readonly Panel[] }>;

const all = 'namespace=~"$namespace",scaledworker=~"$scaledworker"';
const worker = "namespace, scaledworker";
const trigger = `${worker}, trigger`;
const workerLegend = "{{namespace}}/{{scaledworker}}";
const triggerLegend = `${workerLegend} {{trigger}}`;
/** One value for each object: several replicas of the controller may show the same. */
const workers = (metric: string, more = "") => `max by (${worker}) (worktide_scaledworker_${metric}{${all}${more}})`;
const triggers = (metric: string) => `max by (${trigger}) (worktide_${metric}{${all}})`;
const oldest = `time() - min by (${trigger}) (worktide_queue_oldest_job_timestamp_seconds{${all}})`;
const rate = "$__rate_interval";
/** A count is 0, and not nothing, while there is anything to count. */
const count = (expr: string) => `count(${expr}) or 0 * count(worktide_scaledworker_info{${all}})`;

const attention: Row = {
  title: "What needs attention",
  panels: [
    stat("ScaledWorkers", "How many there are.", `count(${workers("info")})`),
    stat("Replicas", "Workers that exist.", `sum(${workers("current_replicas")})`),
    stat(
      "Not ready",
      "The condition Ready is not True.",
      count(`${workers("condition", ',condition="Ready",status="true"')} == 0`),
      1,
    ),
    stat("At maximum", "Would be larger if it were allowed.", count(`${workers("rule_info", ',reason="AtMaximum"')} == 1`), 1),
    stat(
      "Stale",
      "Sized by old readings.",
      count(`${workers("condition", ',condition="ReadingsFresh",status="false"')} == 1`),
      1,
    ),
    stat("Paused", "By the spec or by a person, or only observing.", count(`${workers("paused")} == 1`)),
    stat(
      "Often shrunk",
      "Shrunk more than 20 times in the last hour.",
      count(`max by (${worker}) (resets(worktide_scaledworker_desired_replicas{${all}}[1h])) > 20`),
      1,
    ),
    stat("Leaders", "Replicas of the controller that lead. One is right.", "sum(worktide_leader)"),
  ],
};

const work: Row = {
  title: "Work and workers",
  panels: [
    {
      title: "Longest wait",
      help: "Since when the oldest waiting job waits, and how long it should at most.",
      kind: "timeseries",
      unit: "s",
      width: 12,
      queries: [
        { expr: oldest, legend: triggerLegend },
        { expr: triggers("queue_wait_target_seconds"), legend: `goal ${triggerLegend}` },
      ],
    },
    {
      title: "Replicas",
      help: "Decided, existing, ready and leaving, between the bounds of the spec.",
      kind: "timeseries",
      width: 12,
      steps: true,
      queries: (["desired", "current", "ready", "leaving", "spec_min", "spec_max"] as const).map((which) => ({
        expr: workers(`${which}_replicas`),
        legend: `${which.replace("spec_", "")} ${workerLegend}`,
      })),
    },
    {
      title: "Backlog",
      help: "Jobs that are ready and taken by nobody, soon due, and in hand.",
      kind: "timeseries",
      width: 12,
      queries: (["waiting", "due_soon", "running", "reserved"] as const).map((which) => ({
        expr: triggers(`queue_${which}`),
        legend: `${which.replace("_", " ")} ${triggerLegend}`,
      })),
    },
    {
      title: "What each trigger asks for",
      help: "Replicas; the largest decides, before limits.",
      kind: "timeseries",
      width: 6,
      steps: true,
      queries: [{ expr: triggers("queue_wanted_replicas"), legend: triggerLegend }],
    },
    {
      title: "Busy workers",
      help: "With a job in hand, as far as known. Scale-down spares them.",
      kind: "timeseries",
      width: 6,
      steps: true,
      queries: [{ expr: workers("busy_workers"), legend: workerLegend }],
    },
    {
      title: "Why the size is what it is",
      help: "The rule that bound the last decision, and its reason.",
      kind: "table",
      width: 24,
      queries: [{ expr: `max by (${worker}, rule, reason) (worktide_scaledworker_rule_info{${all}})` }],
    },
  ],
};

const readings: Row = {
  title: "Readings",
  panels: [
    {
      title: "Age of the last good reading",
      help: "Grows while a queue cannot be read.",
      kind: "timeseries",
      unit: "s",
      width: 8,
      queries: [{ expr: `time() - max by (${trigger}) (worktide_reading_timestamp_seconds{${all}})`, legend: triggerLegend }],
    },
    {
      title: "Duration of a round",
      help: "All due triggers of a connection in one batch.",
      kind: "timeseries",
      unit: "s",
      width: 8,
      queries: [0.5, 0.99].map((quantile) => ({
        expr: `histogram_quantile(${quantile}, sum by (connection, le) (rate(worktide_round_duration_seconds_bucket[${rate}])))`,
        legend: `p${quantile * 100} {{connection}}`,
      })),
    },
    {
      title: "Failed readings",
      help: "Per second, by connection and kind of problem.",
      kind: "timeseries",
      unit: "reqps",
      width: 8,
      queries: [
        {
          expr: `sum by (connection, problem) (rate(worktide_reading_errors_total[${rate}]))`,
          legend: "{{connection}} {{problem}}",
        },
      ],
    },
  ],
};

const controller: Row = {
  title: "Controller",
  panels: [
    {
      title: "Decisions",
      help: "Per second, by what they do and why.",
      kind: "timeseries",
      unit: "reqps",
      width: 8,
      queries: [{ expr: `sum by (action, reason) (rate(worktide_decisions_total[${rate}]))`, legend: "{{action}} {{reason}}" }],
    },
    {
      title: "From the first hint to the size written",
      help: "How long a wake-up takes to become a new size.",
      kind: "timeseries",
      unit: "s",
      width: 8,
      queries: [0.5, 0.99].map((quantile) => ({
        expr: `histogram_quantile(${quantile}, sum by (le) (rate(worktide_wake_to_apply_seconds_bucket[${rate}])))`,
        legend: `p${quantile * 100}`,
      })),
    },
    {
      title: "Sizes written",
      help: "Per second, by outcome.",
      kind: "timeseries",
      unit: "reqps",
      width: 8,
      queries: [{ expr: `sum by (outcome) (rate(worktide_writes_total[${rate}]))`, legend: "{{outcome}}" }],
    },
    process("CPU", "percentunit", `rate(process_cpu_seconds_total[${rate}])`),
    process("Memory", "bytes", "process_resident_memory_bytes"),
    process("Event loop lag", "s", "nodejs_eventloop_lag_p99_seconds"),
  ],
};

/** The dashboard, row by row. Every query uses Worktide's own series, and those of its process. */
export const rows: readonly Row[] = [attention, work, readings, controller];

function stat(title: string, help: string, expr: string, alarm?: number): Panel {
  return { title, help, kind: "stat", width: 3, height: 4, queries: [{ expr }], ...(alarm === undefined ? {} : { alarm }) };
}

/** What the process itself costs. Only processes that also show our build are ours. */
function process(title: string, unit: "percentunit" | "bytes" | "s", metric: string): Panel {
  const expr = `${metric} and on (job, instance) worktide_build_info`;
  return {
    title,
    help: "Of each replica of the controller.",
    kind: "timeseries",
    unit,
    width: 8,
    queries: [{ expr, legend: "{{instance}}" }],
  };
}
