/** What is unfolded of a pool: triggers, rules, conditions, decisions, figures. */

import { chip, h, refill } from "./elements.js";
import { age, clock, count, reasonWords, span, withoutMove } from "./words.js";

const triggerStates = {
  known: { word: "Fresh", icon: "check", tone: "good" },
  stale: { word: "Stale", icon: "warn", tone: "warn" },
  unknown: { word: "Unknown", icon: "cross", tone: "bad" },
};

export function renderTriggers(region, { triggers, decision }, now) {
  const rows = triggers.map((trigger) => {
    const late =
      trigger.state !== "known" && trigger.readAt !== undefined ? `, read ${age(now - Date.parse(trigger.readAt))}` : "";
    return {
      ...pick(trigger, ["name", "type", "connection", "goal", "wants", "state"]),
      reading: trigger.reading || "–",
      late,
      problem: trigger.problem?.message,
      decides: decision?.decides === trigger.name,
    };
  });
  refill(region, rows, () => {
    const heads = ["Trigger", "State", "Reading", "Goal", "Wants"].map((text) => h("th", { scope: "col" }, text));
    const body = rows.map((row) =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, row.name, h("small", {}, `${row.type} on ${row.connection}`)),
        h(
          "td",
          {},
          h("span", { class: "chip", "data-tone": triggerStates[row.state].tone }, ...chip(triggerStates[row.state])),
          row.problem ? h("small", { class: "problem" }, row.problem) : undefined,
        ),
        h("td", {}, `${row.reading}${row.late}`),
        h("td", {}, row.goal),
        h("td", { class: "number" }, count(row.wants), row.decides ? h("small", {}, "decides") : undefined),
      ),
    );
    return [h("table", { class: "plain" }, h("thead", {}, h("tr", {}, ...heads)), h("tbody", {}, ...body))];
  });
}

const pick = (object, names) => Object.fromEntries(names.map((name) => [name, object[name]]));

function stepItems(steps) {
  if (steps.length === 0) return [h("li", { class: "empty" }, "No rule had anything to say.")];
  return steps.map(({ rule, from, to, message }) =>
    h(
      "li",
      {},
      h("span", { class: "rule" }, rule),
      h("span", { class: "move" }, from === to ? String(to) : `${from} → ${to}`),
      h("span", {}, message),
    ),
  );
}

export function renderSteps(list, steps) {
  refill(list, steps, () => stepItems(steps));
}

export function renderConditions(list, { conditions }) {
  refill(list, conditions, () =>
    conditions.map(({ type, status, reason, message, since }) =>
      h(
        "li",
        {},
        h("b", {}, `${type} ${status.toLowerCase()}`),
        h("span", {}, `${reasonWords(reason)}${message ? `: ${message}` : ""}`),
        h("small", {}, `since ${clock(since)}`),
      ),
    ),
  );
}

/** So many changes are shown before somebody asks for more. */
const mostChanges = 8;

/** Changes of size; the same one over and over (it came to nothing, and was tried again) is one with a number. */
function changesOf(decisions) {
  const changes = [];
  for (const decision of decisions) {
    if (decision.from === decision.to) continue;
    const newer = changes.at(-1);
    if (newer?.from === decision.from && newer.to === decision.to) {
      if (newer.first !== decision.id) changes[changes.length - 1] = { ...newer, times: newer.times + 1, first: decision.id };
    } else changes.push({ ...decision, times: 1, first: decision.id });
  }
  return changes;
}

/** Changes keep their element, so that an open one stays open when a new one comes. */
export function renderChanges(list, decisions) {
  const changes = changesOf(decisions);
  const old = new Map([...list.children].map((item) => [item.dataset.id, item]));
  if (changes.length === 0) return refill(list, "none", () => [h("li", { class: "empty" }, "No change of size yet.")]);
  list.filledWith = undefined;
  const shown = list.showsAll ? changes : changes.slice(0, mostChanges);
  const items = shown.map((change) => {
    const key = `${change.first} ${change.times}`;
    return old.get(key) ?? changeItem(change, key);
  });
  const hidden = changes.length - shown.length;
  list.decisions = decisions;
  if (hidden > 0) items.push(old.get(`more ${hidden}`) ?? moreItem(list, hidden));
  if (items.some((item, i) => list.children[i] !== item) || list.childElementCount !== items.length)
    list.replaceChildren(...items);
}

function moreItem(list, hidden) {
  const button = h("button", { type: "button" }, `Show ${hidden} more`);
  button.addEventListener("click", () => {
    list.showsAll = true;
    renderChanges(list, list.decisions);
    list.children[mostChanges]?.querySelector("summary").focus();
  });
  return h("li", { "data-id": `more ${hidden}` }, button);
}

function changeItem({ at, from, to, reason, summary, steps, times }, id) {
  const why = `${reasonWords(reason)}${times > 1 ? `, ${times} times` : ""}`;
  const tone = to > from ? "up" : "down";
  return h(
    "li",
    { "data-id": id },
    h(
      "details",
      {},
      h(
        "summary",
        {},
        h("time", { datetime: at }, clock(at)),
        h("span", { class: "move", "data-move": tone }, `${from} → ${to}`),
        h("span", { class: "reason" }, why),
        h("span", { class: "text" }, withoutMove(summary)),
      ),
      h("ol", { class: "steps" }, ...stepItems(steps)),
    ),
  );
}

/** What the charts draw, in numbers: a dozen lines, newest first. */
export function renderTable(region, series, minutes, now) {
  const rows = sampled(series, now - minutes * 60_000, 12);
  refill(region, rows, () => {
    const heads = ["Time", "Waiting", "Oldest wait", "Wanted", "Existing", "Busy"].map((text) => h("th", { scope: "col" }, text));
    const body = rows.map(([t, waiting, oldestMs, wanted, existing, busy]) =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, clock(t)),
        ...[count(waiting), span(oldestMs), count(wanted), count(existing), count(busy)].map((text) =>
          h("td", { class: "number" }, text),
        ),
      ),
    );
    return [h("table", { class: "plain" }, h("thead", {}, h("tr", {}, ...heads)), h("tbody", {}, ...body))];
  });
}

function sampled(series, since, most) {
  if (series === undefined) return [];
  const within = series.t.flatMap((t, i) => (t >= since ? [i] : []));
  const every = Math.max(1, Math.ceil(within.length / most));
  return within
    .reverse()
    .filter((_, i) => i % every === 0)
    .map((i) => [series.t[i], series.waiting[i], series.oldestMs[i], series.wanted[i], series.existing[i], series.busy[i]]);
}
