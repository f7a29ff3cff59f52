import type { Panel, Row } from "./panel.ts";
import { rows } from "./panels.ts";

const datasource = { type: "prometheus", uid: "${datasource}" } as const;
const fullWidth = 24;
const usualHeight = 8;

/** The Grafana dashboard, in the JSON that Grafana imports, and that its sidecar takes from a ConfigMap. */
export function dashboard(): object {
  return {
    uid: "worktide",
    title: "Worktide",
    description: "Pools of queue workers: what waits, who works, and why there are as many as there are.",
    tags: ["worktide", "autoscaling"],
    editable: true,
    graphTooltip: 1,
    refresh: "30s",
    schemaVersion: 39,
    time: { from: "now-3h", to: "now" },
    timezone: "browser",
    templating: { list: variables() },
    annotations: { list: [changes()] },
    panels: layout(),
  };
}

function variables() {
  const choice = (name: string, expr: string) => ({
    name,
    type: "query",
    datasource,
    query: { query: expr, refId: name },
    definition: expr,
    refresh: 2,
    sort: 1,
    multi: true,
    includeAll: true,
    allValue: ".*",
    current: { text: "All", value: "$__all" },
  });
  return [
    { name: "datasource", label: "Prometheus", type: "datasource", query: "prometheus" },
    choice("namespace", "label_values(worktide_scaledworker_info, namespace)"),
    choice("scaledworker", 'label_values(worktide_scaledworker_info{namespace=~"$namespace"}, scaledworker)'),
  ];
}

/** A mark wherever a size was changed. */
function changes() {
  return {
    name: "Size changed",
    enable: true,
    datasource,
    iconColor: "blue",
    titleFormat: "{{namespace}}/{{scaledworker}}",
    expr: 'max by (namespace, scaledworker) (worktide_scaledworker_last_scale_timestamp_seconds{namespace=~"$namespace",scaledworker=~"$scaledworker"} * 1000)',
    useValueForTime: true,
    step: "15s",
  };
}

/** Rows under each other, panels beside each other, as many as fit in 24 columns. */
function layout(): readonly object[] {
  let y = 0;
  let id = 0;
  const placed: object[] = [];
  for (const { title, panels } of rows satisfies readonly Row[]) {
    placed.push({ id: ++id, type: "row", title, collapsed: false, gridPos: { x: 0, y, w: fullWidth, h: 1 }, panels: [] });
    y += 1;
    let x = 0;
    let tallest = 0;
    for (const panel of panels) {
      if (x + panel.width > fullWidth) {
        y += tallest;
        x = 0;
        tallest = 0;
      }
      const h = panel.height ?? usualHeight;
      placed.push({ id: ++id, ...drawn(panel), gridPos: { x, y, w: panel.width, h } });
      x += panel.width;
      tallest = Math.max(tallest, h);
    }
    y += tallest;
  }
  return placed;
}

function drawn({ title, help, kind, unit = "short", queries, steps = false, alarm }: Panel) {
  const thresholds = {
    mode: "absolute",
    steps: [{ color: "green", value: null }, ...(alarm === undefined ? [] : [{ color: "red", value: alarm }])],
  };
  const custom = kind === "timeseries" ? { custom: { lineInterpolation: steps ? "stepAfter" : "linear", fillOpacity: 5 } } : {};
  return {
    type: kind,
    title,
    description: help,
    datasource,
    fieldConfig: { defaults: { unit, min: 0, thresholds, ...custom }, overrides: [] },
    options: kind === "timeseries" ? { legend: { displayMode: "list", placement: "bottom" }, tooltip: { mode: "multi" } } : {},
    targets: queries.map(({ expr, legend }, index) => ({
      refId: String.fromCharCode("A".charCodeAt(0) + index),
      datasource,
      expr,
      ...(legend === undefined ? {} : { legendFormat: legend }),
      ...(kind === "table" ? { format: "table", instant: true } : { instant: kind === "stat", range: kind !== "stat" }),
    })),
  };
}
