import { Counter, collectDefaultMetrics, Gauge, Histogram, type Metric, Registry } from "prom-client";
import type { ProblemKind } from "../core/contract.ts";
import type { Decision, Reason } from "../core/decision.ts";
import { gaugeRows, type Row } from "./metrics-rows.ts";
import type { Caps, MetricsState } from "./metrics-state.ts";
import { label, prepare, tail } from "./metrics-state.ts";
import type { MetricEntry } from "./metrics-table.ts";
import { metricTable } from "./metrics-table.ts";
import type { Redactor } from "./redact.ts";
import { redactor as processRedactor } from "./redact.ts";

export type MetricsOptions = Readonly<{
  /** What is true now. Asked once per scrape, and never between scrapes. */
  source: () => MetricsState;
  version: string;
  /** Objects with series of their own; the rest share a few. Default 500 workers, 1,000 triggers, 200 connections. */
  caps?: Partial<Caps>;
  /** Metrics of the process: CPU, memory, event loop. Default true. */
  processMetrics?: boolean;
  redactor?: Redactor;
}>;

export type ApiRequest = Readonly<{ verb: string; kind: string; status: number; ms: number }>;

export type Metrics = Readonly<{
  registry: Registry;
  /** A round of a connection is over, well or not. */
  round(connection: string, ms: number): void;
  readingFailed(connection: string, scaler: string, kind: ProblemKind): void;
  decided(decision: Pick<Decision, "from" | "to" | "reason">): void;
  /** An edit of the documents had an error. */
  editRefused(): void;
  /** A size was written; `wakeToApplyMs` where a wake-up led to it. */
  wrote(outcome: "ok" | "failed", wakeToApplyMs?: number): void;
  /** A request to the API server has its answer, or status 0 for none. */
  asked(request: ApiRequest): void;
  /** The text of a scrape, redacted, and its Content-Type: Prometheus refuses one without. */
  scrape(): Promise<Readonly<{ contentType: string; body: string }>>;
}>;

const defaultCaps: Caps = { workers: 500, triggers: 1_000, connections: 200 };

export function createMetrics(options: MetricsOptions): Metrics {
  const { version, processMetrics = true, redactor = processRedactor } = options;
  const caps = { ...defaultCaps, ...options.caps };
  const registry = new Registry();
  const state = oncePerTurn(() => prepare(options.source(), caps));
  const of = (entry: MetricEntry) => ({
    name: entry.name,
    help: entry.help,
    labelNames: [...entry.labels],
    registers: [registry],
  });
  for (const { entry, rows } of gaugeRows) registry.registerMetric(momentary(entry, () => rows(state())));
  const readingErrors = new Counter(of(metricTable.readingErrors));
  const decisions = new Counter(of(metricTable.decisions));
  const writes = new Counter(of(metricTable.writes));
  const editsRefused = new Counter(of(metricTable.editsRefused));
  const wakeToApply = new Histogram({ ...of(metricTable.wakeToApply), buckets: [...metricTable.wakeToApply.buckets] });
  const apiRequests = new Counter(of(metricTable.apiRequests));
  const apiDuration = new Histogram({ ...of(metricTable.apiDuration), buckets: [...metricTable.apiDuration.buckets] });
  const named = connectionLabels(caps.connections);
  const roundDuration = new Histogram({
    ...of(metricTable.roundDuration),
    buckets: [...metricTable.roundDuration.buckets],
    collect() {
      // What is gone loses its series.
      for (const gone of named.without(state().connections.map(({ it }) => it))) this.remove({ connection: gone });
    },
  });
  new Gauge(of(metricTable.buildInfo)).set({ version, node: process.versions.node }, 1);
  if (processMetrics) collectProcessMetrics(registry);

  return {
    registry,
    round: (connection, ms) => roundDuration.observe({ connection: named.of(connection) }, ms / 1000),
    readingFailed: (connection, scaler, problem) => readingErrors.inc({ connection: named.of(connection), scaler, problem }),
    decided: ({ from, to, reason }) => decisions.inc({ action: actionOf(from, to), reason: reason satisfies Reason }),
    editRefused: () => editsRefused.inc(),
    wrote(outcome, wakeToApplyMs) {
      writes.inc({ outcome });
      if (wakeToApplyMs !== undefined) wakeToApply.observe(wakeToApplyMs / 1000);
    },
    asked({ verb, kind, status, ms }) {
      apiRequests.inc({ verb, kind, code: status === 0 ? "none" : String(status) });
      apiDuration.observe({ verb }, ms / 1000);
    },
    async scrape() {
      const text = await registry.metrics();
      return { contentType: registry.contentType, body: withoutSecrets(text, redactor) };
    },
  };
}

/**
 * A gauge whose series are made when it is asked. prom-client's own keeps every series that was ever set, tens of thousands
 * of them between scrapes; its registry asks a metric for no more than this, though its types want the class.
 */
function momentary({ name, help }: MetricEntry, rows: () => readonly Row[]): Metric {
  const get = async () => ({ name, help, type: "gauge", aggregator: "sum", values: rows() });
  return { name, help, type: "gauge", aggregator: "sum", get, reset() {} } as unknown as Metric;
}

/** Only labels are words: a number must stay one whatever a secret looks like. A clean text is looked through once. */
function withoutSecrets(text: string, { redact }: Redactor): string {
  return redact(text) === text ? text : text.replace(/\{.*\}/g, redact);
}

function actionOf(from: number, to: number): "up" | "down" | "hold" {
  if (to === from) return "hold";
  return to > from ? "up" : "down";
}

/** All gauges of one scrape are filled in one turn of the event loop, from one state. */
function oncePerTurn<T>(source: () => T): () => T {
  let held: { value: T } | undefined;
  return () => {
    if (held === undefined) {
      held = { value: source() };
      setImmediate(() => {
        held = undefined;
      });
    }
    return held.value;
  };
}

/** Labels of the connections seen: their own up to the cap, then one of the few of the tail. */
function connectionLabels(cap: number) {
  const own = new Map<string, string>();
  return {
    of(name: string): string {
      const present = own.get(name);
      if (present !== undefined) return present;
      if (own.size >= cap) return tail(name);
      const text = label(name);
      own.set(name, text);
      return text;
    },
    /** Forgets those that are not among `present`, and returns their labels. */
    without(present: readonly Readonly<{ name: string }>[]): readonly string[] {
      const names = new Set(present.map(({ name }) => name));
      const gone = [...own].filter(([name]) => !names.has(name));
      for (const [name] of gone) own.delete(name);
      return gone.map(([, text]) => text);
    },
  };
}

/**
 * All of prom-client's own but the distribution of the event loop's lag: for it, Node wakes up every 10 ms, which was half of
 * what an idle Worktide costs. `nodejs_eventloop_lag_seconds` stays: it is measured when somebody asks.
 */
function collectProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 3_600_000 });
  for (const part of ["min", "max", "mean", "stddev", "p50", "p90", "p99"]) {
    registry.removeSingleMetric(`nodejs_eventloop_lag_${part}_seconds`);
  }
}
