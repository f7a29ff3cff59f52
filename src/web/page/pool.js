/** One pool: its figures and charts, and what is unfolded below them. */

import { createChart } from "./charts.js";
import { chip, h, refill, say } from "./elements.js";
import {
  idOf,
  isKnown,
  keyOf,
  lastWaitingOf,
  runningOf,
  stateOf,
  titleOf,
  waitingOf,
  waitOf,
  waitsLonger,
  waitTargetOf,
} from "./state.js";
import { renderChanges, renderConditions, renderSteps, renderTable, renderTriggers } from "./tables.js";
import { age, count, plural, reasonWords, span, waitText, withoutMove } from "./words.js";

/** One pool: { element, update(worker, series, view), repaint() }. */
export function createPool(worker, onOpen) {
  const id = idOf(worker);
  const state = h("span", { class: "chip" });
  const change = h("span", { class: "change" });
  const meta = h("span", { class: "meta" });
  const figures = ["Waiting", "Oldest wait", "Workers", "Busy"].map((name) => ({ name, value: h("dd"), extra: h("small") }));
  const numbers = h(
    "dl",
    { class: "numbers" },
    ...figures.map(({ name, value, extra }) => h("div", {}, h("dt", {}, name), value, h("dd", { class: "extra" }, extra))),
  );
  const pips = h("div", { class: "pips", "aria-hidden": "true" });
  const why = h("p", { class: "why" });
  const charts = [chartParts("Backlog and wait"), chartParts("Workers")];
  const triggers = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Triggers of ${titleOf(worker)}` });
  const steps = h("ol", { class: "steps" });
  const would = h("ul", { class: "would" });
  const conditions = h("ul", { class: "conditions" });
  const changes = h("ol", { class: "changes" });
  const table = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Figures of ${titleOf(worker)}` });
  const whyTitle = h("summary", {}, "Why this size");
  const tableFold = h("details", { class: "fold" }, h("summary", {}, "Figures as a table"), table);
  const body = h(
    "div",
    { class: "inside" },
    why,
    numbers,
    pips,
    h("div", { class: "charts" }, ...charts.map(({ figure }) => figure)),
    h(
      "details",
      { class: "fold" },
      whyTitle,
      h("h4", {}, "Triggers"),
      triggers,
      h("h4", {}, "What would change it"),
      would,
      h("details", { class: "inner" }, h("summary", {}, "Rules, in their order"), steps),
      h("details", { class: "inner" }, h("summary", {}, "Conditions"), conditions),
    ),
    h("details", { class: "fold" }, h("summary", {}, "Last changes of size"), changes),
    tableFold,
  );
  const element = h(
    "details",
    { class: "pool", id, "data-key": keyOf(worker) },
    h("summary", { class: "row" }, h("h3", {}, titleOf(worker)), state, change, meta),
    body,
  );
  let drawn;

  // What is folded away is not kept up to date: it is filled when it opens. These events do not bubble.
  const onToggle = ({ target }) => {
    if (target.open) onOpen();
  };
  element.addEventListener("toggle", onToggle, true);

  function draw(now, view) {
    if (!element.open || view.series === undefined) return;
    drawn ??= [
      createChart(charts[0].host, charts[0].legend, "backlog", id),
      createChart(charts[1].host, charts[1].legend, "workers", id),
    ];
    // A past that is shorter than the time chosen fills the chart; a minute is the least.
    const begun = Math.min(view.series?.t?.[0] ?? now, now - 60_000);
    const range = [Math.max(begun, now - view.minutes * 60_000), now];
    const columns = columnsOf(view.series, view.worker, range);
    for (const chart of drawn) chart.update(columns, range);
  }

  return {
    element,
    draw,
    repaint() {
      for (const chart of drawn ?? []) chart.repaint();
    },
    destroy() {
      for (const chart of drawn ?? []) chart.destroy();
      element.remove();
    },
    update(now, view) {
      const { worker } = view;
      const is = stateOf(worker, now);
      refill(state, is, () => chip(is));
      state.dataset.tone = is.tone;
      renderChange(change, worker, now);
      const waiting = waitingOf(worker);
      const said = waiting === undefined ? "waiting not known" : `${count(waiting)} waiting`;
      say(meta, `${count(worker.pool?.existing)} of ${count(worker.max)} workers, ${said}`);
      if (!element.open) return;
      say(why, worker.decision === undefined ? "Nothing is decided yet." : sentence(withoutMove(worker.decision.summary)));
      renderNumbers(figures, worker, now);
      renderPips(pips, worker);
      renderTriggers(triggers, worker, now);
      renderSteps(steps, worker.decision?.steps ?? []);
      say(whyTitle, worker.decision === undefined ? "Why this size" : `Why ${plural(worker.decision.to, "worker")}`);
      refill(would, worker.whatWouldChange, () => listOf(worker.whatWouldChange, "Nothing is known yet."));
      renderConditions(conditions, worker);
      renderChanges(changes, worker.changes);
      if (tableFold.open) renderTable(table, view.series, view.minutes, now);
      charts[0].host.setAttribute(
        "aria-label",
        waiting === undefined
          ? "Backlog and wait: not known now. Figures as a table below."
          : `Backlog and wait: ${count(waiting)} jobs wait now, the oldest for ${span(waitOf(worker, now))}. Figures as a table below.`,
      );
      charts[1].host.setAttribute(
        "aria-label",
        `Workers: ${count(worker.pool?.existing)} exist now, ${known(worker.busy)} busy, ${count(worker.pool?.wanted)} wanted, at most ${count(worker.max)}. Figures as a table below.`,
      );
    },
  };
}

function chartParts(title) {
  const host = h("div", { class: "plot", role: "img", "aria-label": title });
  const legend = h("ul", { class: "legend", "aria-hidden": "true" });
  return { host, legend, figure: h("figure", {}, h("figcaption", {}, h("span", { class: "title" }, title), legend), host) };
}

const known = (n) => (n === undefined ? "not known how many" : count(n));

const sentence = (text) => (text === "" ? "" : `${text[0].toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`);

const listOf = (lines, empty) =>
  lines.length === 0 ? [h("li", { class: "empty" }, empty)] : lines.map((line) => h("li", {}, withoutMove(line)));

function renderChange(element, { lastChange }, now) {
  if (lastChange === undefined) return say(element, "");
  const { from, to, at, reason } = lastChange;
  say(element, `${from} → ${to}, ${age(now - Date.parse(at))}, ${reasonWords(reason).toLowerCase()}`);
}

function renderNumbers(figures, worker, now) {
  const { pool, busy, max, min, concurrency } = worker;
  const wait = isKnown(worker) ? waitOf(worker, now) : undefined;
  const target = waitTargetOf(worker);
  const running = runningOf(worker);
  const last = lastWaitingOf(worker);
  const starting = pool === undefined ? 0 : pool.existing - pool.ready;
  const waiting = waitingOf(worker);
  const values = [
    [
      count(waiting),
      waiting === undefined
        ? last === undefined
          ? "not known"
          : `last ${count(last.waiting)}, ${age(now - last.at)}`
        : running === undefined
          ? ""
          : `${count(running)} running`,
    ],
    [
      wait === undefined ? (waiting === 0 ? "none" : "–") : waitText(wait, waitsLonger(worker)),
      target === undefined ? "" : `goal ${span(target)}${wait > target ? ", over" : ""}`,
    ],
    [
      pool === undefined
        ? "–"
        : pool.wanted === pool.existing
          ? count(pool.existing)
          : `${count(pool.existing)} → ${count(pool.wanted)}`,
      [`${min} to ${max}`, starting > 0 ? `${starting} starting` : "", pool?.leaving > 0 ? `${pool.leaving} leaving` : ""]
        .filter(Boolean)
        .join(", "),
    ],
    [count(busy), [concurrency === 1 ? "1 job each" : `${concurrency} jobs each`, keptOf(worker)].filter(Boolean).join(", ")],
  ];
  figures.forEach(({ value, extra }, i) => {
    say(value, values[i][0]);
    say(extra, values[i][1]);
  });
  figures[1].value.classList.toggle("over", wait !== undefined && target !== undefined && wait > target);
}

/** Workers that scale-down spares for want of a proof: told only where they are why it is held. */
function keptOf({ decision, unproven }) {
  const holds = unproven !== undefined && decision?.steps.some(({ rule }) => rule === "busy");
  return holds ? `${count(unproven)} kept: not proven idle` : "";
}

/** One mark per worker that could be: busy, idle (or not known which), on its way, leaving, free. Only where they can be told apart. */
function renderPips(element, { pool, busy, max }) {
  const most = Math.max(max, (pool?.existing ?? 0) + (pool?.leaving ?? 0));
  element.hidden = pool === undefined || most > 100;
  if (element.hidden) return;
  const held = Math.min(busy ?? 0, pool.existing);
  const parts = [
    ["busy", held],
    [busy === undefined ? "unsure" : "idle", pool.existing - held],
    ["coming", Math.max(0, pool.wanted - pool.existing)],
    ["leaving", pool.leaving],
  ];
  const used = parts.reduce((sum, [, n]) => sum + n, 0);
  refill(element, [parts, most], () =>
    [...parts, ["free", Math.max(0, most - used)]].flatMap(([kind, n]) =>
      Array.from({ length: n }, () => h("i", { class: kind })),
    ),
  );
}

/** The series within the range, carried on to now, with the lines of the limits. */
function columnsOf(series, worker, [from, to]) {
  const first = Math.max(0, series.t.findIndex((t) => t >= from) - 1);
  const start = series.t.length > 0 && series.t[series.t.length - 1] < from ? series.t.length - 1 : first;
  const part = Object.fromEntries(Object.entries(series).map(([name, column]) => [name, column.slice(start)]));
  const last = part.t.length - 1;
  if (last >= 0 && part.t[last] < to) for (const name of Object.keys(part)) part[name].push(name === "t" ? to : part[name][last]);
  const target = waitTargetOf(worker) ?? null;
  return { ...part, max: part.t.map(() => worker.max), target: part.t.map(() => target) };
}

export const announcementOf = (worker) => {
  const { from, to } = worker.lastChange;
  return `${titleOf(worker)}: from ${from} to ${plural(to, "worker")}. ${withoutMove(worker.decision?.summary ?? "")}`;
};
