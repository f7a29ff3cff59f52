import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { stringify } from "yaml";
import { alertGroups } from "../../src/install/alerts.ts";
import { ruleGroups } from "../../src/install/rule-file.ts";
import { metricTable } from "../../src/telemetry/metrics-table.ts";
import { findPrometheus, promtool } from "../support/prometheus.ts";
import { alertCases, type Series } from "./alert-cases.ts";
import { root } from "./objects.ts";

const found = await findPrometheus();
const skip = "missing" in found && found.missing;
const alerts = alertGroups.flatMap((group) => group.alerts);

describe("The alerts", { skip }, () => {
  let folder = "";
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "worktide-alerts-"));
    await writeFile(path.join(folder, "rules.yaml"), stringify(ruleGroups()));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  /** Runs promtool's unit test of one alert: how many of it fire at that time with these series. */
  const firing = async (name: string, at: string, series: Series, count: number) => {
    const test = {
      rule_files: ["rules.yaml"],
      evaluation_interval: "1m",
      tests: [
        {
          interval: "1m",
          input_series: Object.entries(series).map(([key, values]) => ({ series: key, values })),
          promql_expr_test: [
            {
              expr: `count(ALERTS{alertname="${name}",alertstate="firing"})`,
              eval_time: at,
              exp_samples: count === 0 ? [] : [{ labels: "{}", value: count }],
            },
          ],
        },
      ],
    };
    const file = path.join(folder, `${name}.yaml`);
    await writeFile(file, stringify(test));
    const { ok, text } = await promtool(["test", "rules", file]);
    assert.ok(ok, text);
  };

  it("are ones that Prometheus takes, templates and all", async () => {
    const { ok, text } = await promtool(["check", "rules", path.join(folder, "rules.yaml")]);
    assert.ok(ok, text);
    assert.match(text, new RegExp(`${alerts.length} rules found`));
  });

  for (const { name } of alerts) {
    const found = alertCases[name];
    it(`${name} fires, once`, async () => {
      assert.ok(found, "every alert needs a case");
      await firing(name, found.at, found.fires, 1);
    });
    for (const [why, series] of Object.entries(found?.silent ?? {})) {
      it(`${name} is silent while ${why}`, async () => firing(name, found?.at ?? "", series, 0));
    }
  }

  it("use metrics that there are", () => {
    const known = new Set<string>(Object.values(metricTable).map((entry) => entry.name));
    const used = alerts.flatMap(({ expr }) => expr.match(/worktide_\w+/g) ?? []);
    for (const name of used) assert.ok(known.has(name.replace(/_(count|bucket|sum)$/, "")), name);
  });

  it("each have a place in the runbook, and steps", async () => {
    const runbook = await readFile(path.join(root, "docs", "runbook.md"), "utf8");
    for (const { name, runbook: steps } of alerts) {
      assert.ok(runbook.includes(`\n## ${name}\n`), name);
      assert.ok(steps.length > 0, name);
    }
  });
});
