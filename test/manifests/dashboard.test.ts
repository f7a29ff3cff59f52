import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { Queue } from "bullmq";
import { stringify } from "yaml";
import { dashboard } from "../../src/install/dashboard.ts";
import { monitoring } from "../../src/install/monitoring.ts";
import { rows } from "../../src/install/panels.ts";
import { metricTable } from "../../src/telemetry/metrics-table.ts";
import { openClusterHouse } from "../cluster/house.ts";
import { noControlPlane } from "../support/control-plane.ts";
import { findPrometheus, type Prometheus, startPrometheus } from "../support/prometheus.ts";
import { sharedControlPlane } from "../support/shared-control-plane.ts";
import { waitFor } from "../support/wait.ts";

const found = await findPrometheus();
const skip = "missing" in found ? found.missing : await noControlPlane();
const queries = rows.flatMap(({ panels }) =>
  panels.flatMap(({ title, queries }) => queries.map(({ expr }, index) => ({ title: `query ${index + 1} of ${title}`, expr }))),
);
/** BullMQ takes no job ahead. */
const absentHere = "worktide_queue_reserved";

type Relabeling = Readonly<{ sourceLabels?: readonly string[]; targetLabel?: string; regex: string; action?: string }>;
type Endpoint = Readonly<{ path: string; honorLabels: boolean; metricRelabelings: readonly Relabeling[] }>;

/** A scrape as the Prometheus Operator makes it of our ServiceMonitor, with the labels that it gives to every series. */
function scrapeConfig(job: string, target: string, honorLabels: boolean) {
  const monitor = monitoring({ ...options, namespace: "worktide-system" }).find(({ kind }) => kind === "ServiceMonitor");
  assert.ok(monitor);
  const [endpoint] = (monitor["spec"] as { endpoints: readonly Endpoint[] }).endpoints;
  assert.ok(endpoint?.honorLabels, "the ServiceMonitor asks for it");
  const labels = {
    namespace: "worktide-system",
    service: "worktide",
    pod: "worktide-0",
    container: "controller",
    endpoint: "http",
  };
  return {
    job_name: job,
    metrics_path: endpoint.path,
    scrape_interval: "1s",
    honor_labels: honorLabels,
    static_configs: [{ targets: [target], labels }],
    metric_relabel_configs: endpoint.metricRelabelings.map(({ sourceLabels, targetLabel, ...rest }) => ({
      ...rest,
      ...(sourceLabels === undefined ? {} : { source_labels: sourceLabels }),
      ...(targetLabel === undefined ? {} : { target_label: targetLabel }),
    })),
  };
}

const options = {
  scope: "cluster",
  namespaces: [],
  image: "worktide",
  replicas: 1,
  secrets: "none",
  webhook: false,
  version: "0.1.0",
} as const;

describe("The dashboard, over a Prometheus that scrapes a controller with work to do", { skip, timeout: 300_000 }, () => {
  const closing: AsyncDisposableStack = new AsyncDisposableStack();
  let prometheus: Prometheus;
  let room = "";
  /** As Grafana fills them in. */
  const filled = (expr: string) =>
    expr.replaceAll("$namespace", room).replaceAll("$scaledworker", ".*").replaceAll("$__rate_interval", "1m");

  before(async () => {
    const house = closing.use(await openClusterHouse(closing.use(await sharedControlPlane())));
    room = house.room;
    const goal = { startWithin: "5s", assume: { serviceTime: "1s" } };
    const triggers = [{ name: "mails", connection: "main", bullmq: { queue: "mails" }, goal, every: "200ms" }];
    const list = { key: "a", processing: ["b"] };
    const away = [{ name: "away", connection: "gone", redis: { list }, goal: { waitingPerReplica: 1 }, every: "1s" }];
    await house.connection("main");
    await house.connection("gone", { redis: { url: "redis://127.0.0.1:1" } });
    for (const name of ["mails", "away"]) await house.deployment(name, 0);
    await house.worker("mails", { triggers, replicas: { min: 0, max: 1 } });
    await house.worker("away", { triggers: away });
    const life = closing.use(await house.start());
    await house.reason("mails", "Empty");
    const queue = new Queue("mails", { connection: house.client as never });
    queue.on("error", () => {});
    await queue.addBulk(Array.from({ length: 300 }, () => ({ name: "job", data: {} })));
    await queue.close();
    const dir = await mkdtemp(path.join(tmpdir(), "worktide-prometheus-"));
    closing.defer(() => rm(dir, { recursive: true, force: true }));
    const target = new URL(life.url).host;
    // Some administrators do not let a monitor keep its own labels (overrideHonorLabels): the same must come of it.
    const scrape_configs = [scrapeConfig("asked", target, true), scrapeConfig("overridden", target, false)];
    await writeFile(path.join(dir, "prometheus.yml"), stringify({ scrape_configs }));
    prometheus = closing.use(await startPrometheus(dir, path.join(dir, "prometheus.yml")));
  });
  after(() => closing.disposeAsync());

  /** The first answer that is not empty: where a scrape has failed, as it may on a busy machine, there is none for a moment. */
  const answered = async (expr: string) => {
    let samples: Awaited<ReturnType<Prometheus["query"]>> = [];
    const isAnswered = async () => {
      samples = await prometheus.query(expr);
      return samples.length > 0;
    };
    await waitFor(`an answer to ${expr}`, isAnswered);
    return samples;
  };

  for (const job of ["asked", "overridden"]) {
    it(`finds the namespace of the ScaledWorker, where labels are ${job}`, async () => {
      assert.deepEqual(
        (await answered(`worktide_scaledworker_info{job="${job}"}`)).map(({ metric }) => [
          metric["namespace"],
          metric["exported_namespace"],
        ]),
        [
          [room, undefined],
          [room, undefined],
        ],
      );
      const own = await answered(`worktide_build_info{job="${job}"}`);
      assert.deepEqual(
        own.map(({ metric }) => metric["namespace"]),
        ["worktide-system"],
      );
    });
  }

  for (const { title, expr } of queries) {
    const empty = expr.includes(absentHere);
    it(`${title} is answered${empty ? " (by nothing, here)" : ""}`, async () => {
      if (empty) return void (await prometheus.query(filled(expr)));
      await answered(filled(expr));
    });
  }

  it("counts a pool once, however many scrape it", async () => {
    const query = filled(rows[0]?.panels[0]?.queries[0]?.expr ?? "");
    const whileBothScrape = `(${query}) and on() (count(count by (job) (worktide_scaledworker_info)) == 2)`;
    assert.deepEqual(
      (await answered(whileBothScrape)).map(({ value }) => value[1]),
      ["2"],
    );
  });
});

describe("The dashboard", () => {
  it("asks for nothing but what Worktide itself shows", () => {
    const known = new Set<string>(Object.values(metricTable).map(({ name }) => name));
    for (const { expr } of queries) {
      for (const name of expr.match(/\b[a-z]+(_[a-z0-9]+){2,}\b/g) ?? []) {
        const metric = name.replace(/_(count|bucket|sum)$/, "");
        assert.ok(
          known.has(metric) || /^(process|nodejs)_/.test(name) || /^(histogram_quantile)$/.test(name),
          `${name} in ${expr}`,
        );
      }
    }
  });

  it("shows every metric that tells of a ScaledWorker or a queue", () => {
    const text = JSON.stringify(dashboard());
    const left = Object.values(metricTable)
      .filter(({ name }) => !text.includes(name))
      .map(({ name }) => name);
    assert.deepEqual(left, [
      "worktide_scaledworker_wanted_replicas",
      "worktide_trigger_info",
      "worktide_connection_up",
      "worktide_connection_triggers",
      "worktide_metrics_folded",
      "worktide_edits_refused_total",
      "worktide_apiserver_requests_total",
      "worktide_apiserver_request_duration_seconds",
    ]);
  });

  it("places its panels without gaps that overlap", () => {
    type Placed = { title: string; id: number; gridPos: { x: number; y: number; w: number; h: number } };
    const { panels } = dashboard() as { panels: readonly Placed[] };
    assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
    for (const one of panels) {
      assert.ok(one.gridPos.x + one.gridPos.w <= 24, one.title);
      for (const other of panels) {
        const a = one.gridPos;
        const b = other.gridPos;
        const overlap = a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
        assert.ok(one === other || !overlap, `${one.title} and ${other.title}`);
      }
    }
  });
});
