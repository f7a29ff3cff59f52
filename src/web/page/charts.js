/** The two charts of a pool, on one time axis, drawn by uPlot in the colours of the style sheet. */

import { count, span } from "./words.js";

const uPlot = globalThis.uPlot;

/**
 * Each line: where its values come from, its colour, and how it is told apart without colour. Readings are kept when they
 * change, so each holds until the next: a straight line between two would show a way that nothing went.
 */
const kinds = {
  backlog: [
    { name: "Waiting", from: "waiting", color: "--line-backlog", fill: true, width: 1.5, step: true, scale: "y", say: count },
    {
      name: "Oldest wait",
      from: "oldestMs",
      color: "--line-wait",
      width: 1.5,
      dash: [6, 3],
      step: true,
      scale: "wait",
      say: span,
    },
    { name: "Should be under", from: "target", color: "--line-limit", width: 1, dash: [2, 4], scale: "wait", say: span },
  ],
  workers: [
    { name: "Existing", from: "existing", color: "--line-workers", fill: true, width: 1.5, step: true, scale: "y", say: count },
    { name: "Busy", from: "busy", color: "--line-busy", fill: true, width: 1.5, step: true, scale: "y", say: count },
    { name: "Wanted", from: "wanted", color: "--line-wanted", width: 1.5, dash: [5, 3], step: true, scale: "y", say: count },
    { name: "Maximum", from: "max", color: "--line-limit", width: 1, dash: [2, 4], scale: "y", say: count },
  ],
};

const height = 148;

/** Values of the style sheet as they are now: light or dark. */
const colorOf = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/**
 * Makes one chart inside of `host`, with a legend that shows the values under the cursor or else the newest.
 * Returns { update(columns, range), destroy() }.
 */
export function createChart(host, legend, kind, syncKey) {
  const lines = kinds[kind];
  let plot;
  let shown = [];

  const values = lines.map((line) => {
    const swatch = document.createElement("span");
    swatch.className = `swatch${line.dash ? " dashed" : ""}${line.fill ? " filled" : ""}`;
    swatch.dataset.line = line.color.slice(2);
    const value = document.createElement("b");
    const item = document.createElement("li");
    item.append(swatch, `${line.name} `, value);
    legend.append(item);
    return { item, value };
  });

  function tell(index) {
    values.forEach(({ item, value }, i) => {
      const column = shown[i + 1] ?? [];
      const at = column[index ?? column.length - 1];
      const text = lines[i].say(at);
      if (value.textContent !== text) value.textContent = text;
      item.hidden = column.length === 0 || column.every((each) => each === null || each === undefined);
    });
  }

  function build(data) {
    const grid = { stroke: colorOf("--grid"), width: 1 };
    const axis = { stroke: colorOf("--axis"), font: "11px system-ui, sans-serif", grid, ticks: { show: false }, gap: 4 };
    const hasWait = lines.some(({ scale }) => scale === "wait");
    return new uPlot(
      {
        width: host.clientWidth || 300,
        height,
        legend: { show: false },
        padding: [8, hasWait ? 0 : 8, 0, 0],
        cursor: { sync: { key: syncKey }, drag: { x: false, y: false }, points: { size: 6 } },
        scales: {
          x: { time: true, auto: false },
          y: { range: (_, __, most) => [0, Math.max(1, Math.ceil((most ?? 0) * 1.08))] },
          wait: { range: (_, __, most) => [0, Math.max(1_000, (most ?? 0) * 1.08)] },
        },
        axes: [
          { ...axis, size: 24, space: 70, values: (_, ticks) => ticks.map((each) => timeOf(each)) },
          {
            ...axis,
            size: 42,
            space: 34,
            incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 1e6, 1e7],
            values: (_, ticks) => ticks.map(shortCount),
          },
          ...(hasWait
            ? [
                {
                  ...axis,
                  scale: "wait",
                  side: 1,
                  size: 48,
                  space: 34,
                  grid: { show: false },
                  incrs: [100, 250, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 18e5, 36e5, 72e5, 864e5],
                  values: (_, ticks) => ticks.map((ms) => (ms === 0 ? "0 s" : span(ms))),
                },
              ]
            : []),
        ],
        series: [
          {},
          ...lines.map((line) => ({
            scale: line.scale,
            stroke: colorOf(line.color),
            width: line.width,
            ...(line.dash ? { dash: line.dash } : {}),
            ...(line.fill ? { fill: `${colorOf(line.color)}26` } : {}),
            ...(line.step ? { paths: uPlot.paths.stepped({ align: 1 }) } : {}),
            points: { show: false },
          })),
        ],
        hooks: { setCursor: [(self) => tell(self.cursor.idx ?? undefined)] },
      },
      data,
      host,
    );
  }

  const resized = new ResizeObserver(() => {
    if (plot && host.clientWidth > 0) plot.setSize({ width: host.clientWidth, height });
  });
  resized.observe(host);

  const api = {
    /** `columns` by name, `t` in ms; `range` is [from, to] in ms. */
    update(columns, range) {
      shown = [columns.t.map((t) => t / 1000), ...lines.map(({ from }) => columns[from])];
      plot ??= build(shown);
      plot.batch(() => {
        plot.setData(shown, false);
        plot.setScale("x", { min: range[0] / 1000, max: range[1] / 1000 });
      });
      tell(plot.cursor.idx ?? undefined);
    },
    /** Draws anew in the colours of the present scheme. */
    repaint() {
      plot?.destroy();
      plot = shown.length === 0 ? undefined : build(shown);
    },
    destroy() {
      resized.disconnect();
      plot?.destroy();
    },
  };
  return api;
}

const timeOf = (seconds) => new Date(seconds * 1000).toTimeString().slice(0, seconds % 60 === 0 ? 5 : 8);

function shortCount(n) {
  if (n >= 1e6) return `${n / 1e6}M`;
  return n >= 1e4 ? `${n / 1e3}k` : String(n);
}
