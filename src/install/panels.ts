import { all, type Panel, type Row, rate, trigger, triggerLegend } from "./panel.ts";
import { attention, work } from "./worker-panels.ts";

/** Rows of the dashboard about readings and the controller itself. */

const readings: Row = {
  title: "Readings",
  panels: [
    {
      title: "Age of the last good reading",
      help: "Grows while a queue cannot be read. Where its numbers are statistics of the source, they are older: counted.",
      kind: "timeseries",
      unit: "s",
      width: 8,
      queries: [
        { expr: `time() - max by (${trigger}) (worktide_reading_timestamp_seconds{${all}})`, legend: triggerLegend },
        {
          expr: `time() - max by (${trigger}) (worktide_reading_sampled_timestamp_seconds{${all}})`,
          legend: `${triggerLegend}, counted`,
        },
      ],
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
    process("Event loop lag", "s", "nodejs_eventloop_lag_seconds"),
  ],
};

/** The dashboard, row by row. Every query uses Worktide's own series, and those of its process. */
export const rows: readonly Row[] = [attention, work, readings, controller];

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
