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

export const all = 'namespace=~"$namespace",scaledworker=~"$scaledworker"';
export const worker = "namespace, scaledworker";
export const trigger = `${worker}, trigger`;
export const workerLegend = "{{namespace}}/{{scaledworker}}";
export const triggerLegend = `${workerLegend} {{trigger}}`;
/** One value for each object: several replicas of the controller may show the same. */
export const workers = (metric: string, more = "") => `max by (${worker}) (worktide_scaledworker_${metric}{${all}${more}})`;
export const triggers = (metric: string) => `max by (${trigger}) (worktide_${metric}{${all}})`;
export const oldest = `time() - min by (${trigger}) (worktide_queue_oldest_job_timestamp_seconds{${all}})`;
export const rate = "$__rate_interval";
/** A count is 0, and not nothing, while there is anything to count. */
export const count = (expr: string) => `count(${expr}) or 0 * count(worktide_scaledworker_info{${all}})`;
