import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { MetricsOptions } from "../../src/telemetry/metrics.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { metricsReference } from "../../src/telemetry/metrics-reference.ts";
import type { MetricsState, MetricsTrigger, MetricsWorker } from "../../src/telemetry/metrics-state.ts";
import { metricTable } from "../../src/telemetry/metrics-table.ts";
import { createRedactor } from "../../src/telemetry/redact.ts";

const trigger = (over: Partial<MetricsTrigger> = {}): MetricsTrigger => ({
  name: "mails",
  type: "bullmq",
  connection: "shop/main",
  waiting: 430,
  running: 4,
  oldestAt: "2026-01-01T00:00:00.500Z",
  readAt: "2026-01-01T00:00:41.000Z",
  sampledAt: "2026-01-01T00:00:01.000Z",
  waitTargetMs: 30_000,
  wants: 9,
  ...over,
});
const worker = (over: Partial<MetricsWorker> = {}): MetricsWorker => ({
  namespace: "shop",
  name: "mails",
  target: "process node worker.js",
  mode: "Scale",
  min: 0,
  max: 20,
  pool: { wanted: 9, existing: 4, ready: 3, leaving: 1 },
  busy: 4,
  decision: { to: 9, rule: "demand", reason: "WorkWaiting" },
  triggers: [trigger()],
  conditions: [
    { type: "Ready", status: "True" },
    { type: "Paused", status: "False" },
  ],
  lastChange: { at: "2026-01-01T00:00:40.000Z" },
  ...over,
});
const connection = { name: "shop/main", type: "redis", up: true, triggers: 1 };

function metricsOf(state: MetricsState, over: Partial<MetricsOptions> = {}) {
  return createMetrics({
    source: () => state,
    version: "0.1.0",
    processMetrics: false,
    redactor: createRedactor(),
    ...over,
  });
}
const textOf = async (state: MetricsState, over: Partial<MetricsOptions> = {}) => (await metricsOf(state, over).scrape()).body;

test("A scrape tells what is true of workers, triggers and connections", async () => {
  const text = await textOf({ workers: [worker()], connections: [connection] });
  const ofWorker = 'namespace="shop",scaledworker="mails"';
  const ofTrigger = `${ofWorker},trigger="mails",connection="shop/main"`;
  const lines = [
    `worktide_queue_wait_target_seconds{${ofTrigger}} 30`,
    `worktide_scaledworker_info{target="process node worker.js",mode="Scale",${ofWorker}} 1`,
    `worktide_scaledworker_spec_max_replicas{${ofWorker}} 20`,
    `worktide_scaledworker_current_replicas{${ofWorker}} 4`,
    `worktide_scaledworker_desired_replicas{${ofWorker}} 9`,
    `worktide_scaledworker_busy_workers{${ofWorker}} 4`,
    `worktide_scaledworker_condition{condition="Ready",status="true",${ofWorker}} 1`,
    `worktide_scaledworker_condition{condition="Ready",status="unknown",${ofWorker}} 0`,
    `worktide_scaledworker_paused{${ofWorker}} 0`,
    `worktide_scaledworker_last_scale_timestamp_seconds{${ofWorker}} 1767225640`,
    `worktide_scaledworker_rule_info{rule="demand",reason="WorkWaiting",${ofWorker}} 1`,
    `worktide_queue_waiting{${ofTrigger}} 430`,
    `worktide_queue_oldest_job_timestamp_seconds{${ofTrigger}} 1767225600.5`,
    `worktide_reading_timestamp_seconds{${ofTrigger}} 1767225641`,
    `worktide_reading_sampled_timestamp_seconds{${ofTrigger}} 1767225601`,
    `worktide_trigger_info{scaler="bullmq",${ofTrigger}} 1`,
    'worktide_connection_up{connection="shop/main",broker="redis"} 1',
    `worktide_build_info{version="0.1.0",node="${process.versions.node}"} 1`,
  ];
  for (const line of lines) assert.ok(text.split("\n").includes(line), `${line} is not in\n${text}`);
});

test("Who leads is told where there is an election, and nowhere else", async () => {
  const state = { workers: [], connections: [] };
  assert.match(await textOf({ ...state, leading: true }), /^worktide_leader 1$/m);
  assert.match(await textOf({ ...state, leading: false }), /^worktide_leader 0$/m);
  assert.doesNotMatch(await textOf(state), /^worktide_leader /m);
});

test("Something that is not known has no series, and something that is gone loses its series", async () => {
  let state: MetricsState = { workers: [worker()], connections: [connection] };
  const metrics = createMetrics({ source: () => state, version: "1", processMetrics: false });
  metrics.round("shop/main", 3);
  assert.match((await metrics.scrape()).body, /round_duration_seconds_count\{connection="shop\/main"\} 1/);
  await new Promise(setImmediate);
  const unread: MetricsTrigger = { name: "mails", type: "bullmq", connection: "shop/main" };
  const { pool: _pool, busy: _busy, decision: _decision, lastChange: _change, ...young } = worker();
  state = { workers: [{ ...young, triggers: [unread] }], connections: [] };
  const { body } = await metrics.scrape();
  for (const name of ["queue_waiting", "current_replicas", "desired_replicas", "connection_up", "reading_timestamp"]) {
    assert.doesNotMatch(body, new RegExp(`^worktide_\\S*${name}\\S*\\{`, "m"), name);
  }
  assert.doesNotMatch(body, /round_duration_seconds_count\{/);
});

test("The source is asked once per scrape, and never between scrapes", async () => {
  let asked = 0;
  const metrics = createMetrics({
    source: () => {
      asked++;
      return { workers: [worker()], connections: [connection] };
    },
    version: "1",
    processMetrics: false,
  });
  for (let i = 0; i < 100; i++) metrics.round("shop/main", 1);
  assert.equal(asked, 0);
  await metrics.scrape();
  assert.equal(asked, 1);
  await new Promise(setImmediate);
  await metrics.scrape();
  assert.equal(asked, 2);
});

test("10,000 triggers on one scrape stay within the cap, and the tail is summed", async () => {
  const triggers = Array.from({ length: 10_000 }, (_, i) => trigger({ name: `q${i}`, waiting: 1 }));
  const text = await textOf({ workers: [worker({ triggers })], connections: [connection] });
  const rows = text.split("\n").filter((line) => line.startsWith("worktide_queue_waiting{"));
  assert.equal(rows.length, 1_000 + 16);
  const sum = rows.reduce((all, line) => all + Number(line.split(" ").at(-1)), 0);
  assert.equal(sum, 10_000);
  assert.match(text, /worktide_metrics_folded\{kind="trigger"\} 9000/);
  const oldest = text.split("\n").filter((line) => /oldest_job_timestamp.*~other/.test(line));
  assert.ok(oldest.every((line) => line.endsWith(" 1767225600.5")));
});

test("Workers and connections past the cap share series, and long names are cut with a hash", async () => {
  const workers = Array.from({ length: 50 }, (_, i) => worker({ name: `w${i}-${"x".repeat(300)}` }));
  const connections = Array.from({ length: 50 }, (_, i) => ({ ...connection, name: `c${i}` }));
  const metrics = metricsOf({ workers, connections }, { caps: { workers: 5, connections: 5 } });
  for (const { name } of connections) metrics.round(name, 1);
  const { body } = await metrics.scrape();
  const count = (name: string) => body.split("\n").filter((line) => line.startsWith(`${name}{`)).length;
  assert.ok(count("worktide_scaledworker_current_replicas") <= 5 + 16);
  assert.ok(count("worktide_connection_up") <= 5 + 16);
  assert.ok(count("worktide_round_duration_seconds_count") <= 5 + 16);
  assert.match(body, /scaledworker="w0-x+~[0-9a-f]{8}"/);
  assert.ok(!body.includes("x".repeat(130)));
});

test("Counters and histograms follow the calls", async () => {
  const metrics = metricsOf({ workers: [], connections: [connection] });
  metrics.decided({ from: 4, to: 9, reason: "WorkWaiting" });
  metrics.decided({ from: 9, to: 9, reason: "WorkersBusy" });
  metrics.readingFailed("shop/main", "bullmq", "timeout");
  metrics.wrote("ok", 12);
  metrics.wrote("failed");
  metrics.asked({ verb: "update", kind: "Deployment/scale", status: 409, ms: 3 });
  metrics.asked({ verb: "update", kind: "Deployment/scale", status: 0, ms: 8_000 });
  const { body, contentType } = await metrics.scrape();
  assert.equal(contentType, "text/plain; version=0.0.4; charset=utf-8");
  assert.match(body, /worktide_decisions_total\{action="up",reason="WorkWaiting"\} 1/);
  assert.match(body, /worktide_decisions_total\{action="hold",reason="WorkersBusy"\} 1/);
  assert.match(body, /worktide_reading_errors_total\{connection="shop\/main",scaler="bullmq",problem="timeout"\} 1/);
  assert.match(body, /worktide_writes_total\{outcome="failed"\} 1/);
  assert.match(body, /worktide_wake_to_apply_seconds_bucket\{le="0.025"\} 1/);
  assert.match(body, /worktide_apiserver_requests_total\{verb="update",kind="Deployment\/scale",code="409"\} 1/);
  assert.match(body, /worktide_apiserver_requests_total\{verb="update",kind="Deployment\/scale",code="none"\} 1/);
  assert.match(body, /worktide_apiserver_request_duration_seconds_count\{verb="update"\} 2/);
});

test("The text format escapes names, and no canary is in it", async () => {
  const redactor = createRedactor();
  redactor.keepSecret("canary-password");
  const odd = worker({ target: "process curl redis://u:canary-password@h", triggers: [trigger({ name: 'a"b\\c\nd:ü' })] });
  const text = await textOf({ workers: [odd], connections: [] }, { redactor });
  assert.ok(!text.includes("canary"));
  assert.ok(text.includes('trigger="a\\"b\\\\c\\nd:ü"'));
});

test("Names follow the conventions: one prefix, base units, totals for counters, and every metric in the reference", () => {
  const page = metricsReference();
  for (const { name, type, help } of Object.values(metricTable)) {
    assert.match(name, /^worktide_[a-z]+(_[a-z]+)*$/);
    assert.equal(type === "counter", name.endsWith("_total"), name);
    assert.equal(type === "histogram", /_(?<!(timestamp|target)_)seconds$/.test(name), name);
    assert.match(help, /\.$/);
    assert.ok(page.includes(`\`${name}\``));
  }
});

test("The reference page is the one that the table makes", () => {
  const written = readFileSync(new URL("../../docs/reference/metrics.md", import.meta.url), "utf8");
  assert.equal(written, metricsReference(), "run `npm run generate` and commit docs/reference/metrics.md");
});
