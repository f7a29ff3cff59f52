import { all, count, oldest, type Panel, type Row, triggerLegend, triggers, worker, workerLegend, workers } from "./panel.ts";

/** Rows of the dashboard about ScaledWorkers. */

export const attention: Row = {
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

export const work: Row = {
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

function stat(title: string, help: string, expr: string, alarm?: number): Panel {
  return { title, help, kind: "stat", width: 3, height: 4, queries: [{ expr }], ...(alarm === undefined ? {} : { alarm }) };
}
