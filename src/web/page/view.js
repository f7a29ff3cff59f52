/** The parts of the page around the pools. */

import { chip, h, icon, refill, say } from "./elements.js";
import { isKnown, waitingOf, waitOf, waitsLonger } from "./state.js";
import { age, clock, count, plural, span, waitText } from "./words.js";

/** When everything is down, a list of everything helps nobody. */
const mostAttention = 12;

/** The list of what needs attention, or nothing. */
export function renderAttention(section, all) {
  section.hidden = all.length === 0;
  const more = {
    tone: "warn",
    icon: "dots",
    title: `${all.length - mostAttention} more`,
    text: "of the same kind or less grave",
    href: "#pools-title",
  };
  const items = all.length > mostAttention ? [...all.slice(0, mostAttention), more] : all;
  refill(section.querySelector("ul"), items, () =>
    items.map((item) =>
      h("li", { "data-tone": item.tone }, icon(item.icon), h("a", { href: item.href }, item.title), h("span", {}, item.text)),
    ),
  );
}

export function renderTotals(list, workers, connections, now) {
  const sum = (of) => workers.reduce((all, worker) => all + (of(worker) ?? 0), 0);
  /** The sum over all pools, or a dash and what is known of it. */
  const told = (of) => {
    const missing = workers.filter((worker) => of(worker) === undefined).length;
    if (missing === 0) return [count(sum(of))];
    return missing === workers.length ? [count(undefined), "not known"] : [count(sum(of)), `without ${plural(missing, "pool")}`];
  };
  const waits = workers.flatMap((worker) => waitOf(worker, now) ?? []);
  const oldest = workers.every(isKnown) ? "none" : count(undefined);
  const up = connections.filter((connection) => connection.up).length;
  const figures = [
    ["Jobs waiting", ...told(waitingOf)],
    ["Oldest wait", waits.length === 0 ? oldest : waitText(Math.max(...waits), workers.some(waitsLonger))],
    ["Workers", `${count(sum(({ pool }) => pool?.existing))} of ${count(sum(({ max }) => max))}`],
    ["Busy", ...told(({ busy }) => busy)],
    ["Connections", up === connections.length ? `${up} up` : `${up} of ${connections.length} up`],
  ];
  if (list.childElementCount === 0)
    list.append(...figures.map(([name]) => h("div", {}, h("dt", {}, name), h("dd", {}, h("span"), h("small")))));
  figures.forEach(([, value, note = ""], i) => {
    const [main, small] = list.children[i].lastElementChild.children;
    say(main, value);
    say(small, note);
  });
}

export function renderConnections(region, connections, now) {
  const body = region.querySelector("tbody");
  if (body === null) {
    const heads = ["Connection", "State", "Triggers", "Last round", "Took"].map((text) => h("th", { scope: "col" }, text));
    region.replaceChildren(
      h(
        "table",
        { class: "plain" },
        h("caption", { class: "unseen" }, "Connections"),
        h("thead", {}, h("tr", {}, ...heads)),
        h("tbody"),
      ),
    );
    return renderConnections(region, connections, now);
  }
  const rows = connections.map(({ name, type, up, triggers, problem, lastRoundAt, lastRoundMs }) => {
    const state = up
      ? { word: "Up", icon: "check", tone: "good" }
      : problem
        ? { word: "Down", icon: "cross", tone: "bad" }
        : { word: "Connecting", icon: "dots", tone: "mute" };
    const ago = lastRoundAt === undefined ? "–" : age(now - Date.parse(lastRoundAt));
    return {
      name,
      type,
      state,
      triggers,
      problem: problem && `${problem.message}, since ${clock(problem.since)}`,
      ago,
      took: span(lastRoundMs),
    };
  });
  refill(body, rows, () =>
    rows.map((row) =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, row.name, h("small", {}, row.type)),
        h(
          "td",
          {},
          h("span", { class: "chip", "data-tone": row.state.tone }, ...chip(row.state)),
          row.problem ? h("small", { class: "problem" }, row.problem) : undefined,
        ),
        h("td", { class: "number" }, count(row.triggers)),
        h("td", { class: "number" }, row.ago),
        h("td", { class: "number" }, row.took),
      ),
    ),
  );
}
