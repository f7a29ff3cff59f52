import type { MetricEntry } from "./metrics-table.ts";
import { metricTable } from "./metrics-table.ts";

/** The page docs/reference/metrics.md, from the table that the registry is made of. */
export function metricsReference(): string {
  const entries: readonly MetricEntry[] = Object.values(metricTable);
  const rows = entries.map(
    ({ name, type, help, labels }) =>
      `| \`${name}\` | ${type} | ${labels.map((each) => `\`${each}\``).join(", ") || "none"} | ${help} |`,
  );
  return `${head}\n| metric | type | labels | what it tells |\n|---|---|---|---|\n${rows.join("\n")}\n${foot}`;
}

const head = `<!-- Generated from src/telemetry/metrics-table.ts by scripts/generate.ts: change it there. -->

# Metrics

Worktide serves these at \`/metrics\` in the text format of Prometheus, next to the usual metrics of a Node process
(\`process_*\`, \`nodejs_*\`). Gauges are taken at the moment of the scrape: between scrapes they cost nothing.
`;

const foot = `
## How to read them

* Something that is not known has no series. It is never zero: a queue that cannot be read loses nothing of its last
  good values, and \`worktide_reading_timestamp_seconds\` stands still. Its age is \`time() - worktide_reading_timestamp_seconds\`.
* Times are timestamps, not ages, so that they stay right between two scrapes:
  the longest wait is \`time() - worktide_queue_oldest_job_timestamp_seconds\`.
* \`namespace\` is that of the ScaledWorker. Set \`honorLabels: true\` where the scraper adds a label of the same name.
* \`worktide_scaledworker_condition\` is a state set: not ready is
  \`worktide_scaledworker_condition{condition="Ready",status="true"} == 0\`.
* \`action\` is \`up\`, \`down\` or \`hold\`; \`reason\`, \`rule\` and \`problem\` come from closed lists.

## How many series there are

500 ScaledWorkers, 1,000 triggers and 200 connections get series of their own. Those past that share sixteen series, by a
hash of their names: their label begins with \`~other-\`, counts are summed, of timestamps the oldest is shown (of the
last change the newest), and \`worktide_metrics_folded\` says how many they are. Names longer than 128 characters are cut,
and end with a hash of the whole.
`;
