/** Keeps what the server tells, and shows it. One stream; the page asks for nothing on a timer. */

import { h, say } from "./elements.js";
import { announcementOf, createPool } from "./pool.js";
import { attentionOf, joined, keyOf, stateOf, titleOf } from "./state.js";
import { renderAttention, renderConnections, renderTotals } from "./view.js";
import * as words from "./words.js";

const byId = (id) => document.getElementById(id);
const parts = {
  live: byId("live"),
  attention: byId("attention"),
  totals: byId("totals"),
  pools: byId("pools"),
  connections: byId("connections"),
  announce: byId("announce"),
  find: byId("find"),
  range: byId("range"),
};

/** Longest stretch that a chart can show. */
const keepMs = 60 * 60_000;
/** Three signs of life in a row did not come. */
const silentMs = 16_000;
/** A page that nobody sees needs no stream. */
const hiddenMs = 60_000;
/** So many pools are shown open. */
const mostOpen = 6;

const pools = new Map();
let connections = [];
let minutes = Number(new URLSearchParams(location.search).get("minutes")) || 15;
let wanted = "";

// ── time: the server's, so that ages are right whatever this machine's clock says ──
let offset = 0;
let heardAt = 0;
let staleSince;
const serverNow = () => (staleSince ?? Date.now()) + offset;

function heard(generatedAt) {
  heardAt = Date.now();
  if (generatedAt !== undefined) offset = Date.parse(generatedAt) - heardAt;
}

// ── what was told ──
function keep(worker) {
  const key = keyOf(worker);
  const { series, ...rest } = worker;
  let pool = pools.get(key);
  if (pool === undefined) {
    pool = { worker: rest, series: undefined, minutes, whole: false };
    pool.view = createPool(rest, () => opened(pool));
    pools.set(key, pool);
  }
  const before = pool.worker;
  pool.worker = rest.whatWouldChange.length === 0 ? { ...rest, whatWouldChange: before.whatWouldChange } : rest;
  pool.series = joined(pool.series, series, keepMs);
  return { pool, before };
}

function forget(key) {
  pools.get(key)?.view.destroy();
  pools.delete(key);
}

function onSnapshot({ generatedAt, workers, connections: links }) {
  heard(generatedAt);
  const isFirst = pools.size === 0;
  const present = new Set(workers.map(keyOf));
  for (const key of pools.keys()) if (!present.has(key)) forget(key);
  for (const worker of workers) {
    const { pool } = keep(worker);
    if (worker.series !== undefined) pool.series = worker.series;
    pool.whole = worker.series !== undefined;
  }
  connections = links;
  place();
  if (isFirst) for (const { view } of [...pools.values()].slice(0, mostOpen)) view.element.open = pools.size <= mostOpen;
  live();
  render();
}

function onWorker(worker) {
  heard(worker.generatedAt);
  const isNew = !pools.has(keyOf(worker));
  const { pool, before } = keep(worker);
  if (isNew) place();
  if (before.lastChange?.at !== worker.lastChange?.at && worker.lastChange !== undefined) announce(announcementOf(worker));
  const [was, is] = [stateOf(before, serverNow()), stateOf(worker, serverNow())];
  if (was.word !== is.word && (is.tone === "bad" || was.tone === "bad")) announce(`${titleOf(worker)}: ${is.word}`);
  renderPool(pool);
  renderAll();
}

/** What a list leaves out is asked for when somebody looks. */
async function opened(pool) {
  renderPool(pool);
  if (pool.whole && pool.worker.whatWouldChange.length > 0) return;
  const { namespace, name } = pool.worker;
  try {
    const response = await fetch(`api/v1/workers/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`);
    if (!response.ok) return;
    const worker = await response.json();
    if (!pools.has(keyOf(worker))) return;
    pool.whole = true;
    pool.series = worker.series;
    keep({ ...worker, series: undefined });
    renderPool(pool);
  } catch {
    // The stream says that the server is away.
  }
}

// ── showing it ──
function place() {
  const all = [...pools.values()].map(({ view }) => view.element);
  parts.pools.replaceChildren(...(all.length > 0 ? all : [h("p", { class: "note" }, "No ScaledWorker is declared.")]));
  parts.find.hidden = all.length <= mostOpen;
  filter();
}

function filter() {
  for (const [key, { view }] of pools) view.element.hidden = wanted !== "" && !key.toLowerCase().includes(wanted);
}

function renderPool(pool) {
  pool.minutes = minutes;
  const now = serverNow();
  pool.view.update(now, pool);
  if (pool.visible !== false) pool.view.draw(now, pool);
}

function renderAll() {
  const now = serverNow();
  const workers = [...pools.values()].map(({ worker }) => worker);
  renderAttention(parts.attention, attentionOf(workers, connections, now, words));
  renderTotals(parts.totals, workers, connections, now);
  renderConnections(parts.connections, connections, now);
}

function render() {
  for (const pool of pools.values()) renderPool(pool);
  renderAll();
}

let announcements = [];
let announcing = false;
/** At most one every three seconds, the newest of them. */
function announce(text) {
  announcements = [...announcements.slice(-2), text];
  if (announcing) return;
  announcing = true;
  setTimeout(() => {
    announcing = false;
    parts.announce.textContent = announcements.join(" ");
    announcements = [];
  }, 3_000);
}

// ── the stream ──
let stream;
let retry;

function live() {
  if (parts.live.dataset.tone === "bad") announce("Live again.");
  staleSince = undefined;
  document.body.classList.remove("stale");
  parts.live.dataset.tone = "good";
  say(parts.live.lastElementChild, "Live");
}

function stale() {
  if (staleSince !== undefined) return;
  staleSince = heardAt || Date.now();
  document.body.classList.add("stale");
  parts.live.dataset.tone = "bad";
  say(
    parts.live.lastElementChild,
    heardAt === 0 ? "No answer, trying again" : `Stale since ${words.clock(staleSince)}, reconnecting`,
  );
  announce("The connection to Worktide is lost. What is shown is old.");
}

function connect() {
  clearTimeout(retry);
  stream?.close();
  stream = new EventSource("api/v1/events");
  const on = (event, take) => stream.addEventListener(event, ({ data }) => take(JSON.parse(data)));
  on("snapshot", onSnapshot);
  on("worker", onWorker);
  on("gone", (id) => {
    forget(keyOf(id));
    place();
    renderAll();
  });
  on("beat", ({ generatedAt, connections: links }) => {
    heard(generatedAt);
    connections = links;
    renderAll();
  });
  stream.addEventListener("error", () => {
    stale();
    // A browser tries again by itself after a broken stream, and never after an answer that is none.
    if (stream.readyState === EventSource.CLOSED) retry = setTimeout(connect, 2_000 + Math.random() * 3_000);
  });
}

function disconnect() {
  stream?.close();
  stream = undefined;
  clearTimeout(retry);
}

let hiding;
document.addEventListener("visibilitychange", () => {
  clearTimeout(hiding);
  if (document.hidden) hiding = setTimeout(disconnect, hiddenMs);
  else if (stream === undefined) connect();
});

// ── what people do ──
for (const input of parts.range.querySelectorAll("input")) {
  input.checked = Number(input.value) === minutes;
  input.addEventListener("change", () => {
    minutes = Number(input.value);
    const query = new URLSearchParams(location.search);
    query.set("minutes", String(minutes));
    history.replaceState(null, "", `?${query}${location.hash}`);
    render();
  });
}
parts.find.querySelector("input").addEventListener("input", ({ target }) => {
  wanted = target.value.trim().toLowerCase();
  filter();
});
// A link of the attention list leads to a pool that may be closed.
addEventListener("hashchange", openTarget);
function openTarget() {
  const element = location.hash.length > 1 ? document.getElementById(location.hash.slice(1)) : null;
  if (!(element instanceof HTMLDetailsElement)) return;
  element.open = true;
  element.querySelector("summary").focus();
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const { view } of pools.values()) view.repaint();
});

// Only charts that are seen are drawn.
const seen = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    const pool = pools.get(target.dataset.key);
    if (pool === undefined) continue;
    pool.visible = isIntersecting;
    if (isIntersecting) renderPool(pool);
  }
});
new MutationObserver(() => {
  seen.disconnect();
  for (const { view } of pools.values()) seen.observe(view.element);
}).observe(parts.pools, { childList: true });

// Ages and the time axis move on; slower where movement is unwelcome.
const pace = matchMedia("(prefers-reduced-motion: reduce)").matches ? 5_000 : 1_000;
setInterval(() => {
  if (document.hidden || stream === undefined) return;
  if (heardAt > 0 && Date.now() - heardAt > silentMs && staleSince === undefined) {
    stale();
    connect();
  }
  if (staleSince === undefined) render();
}, pace);

connect();
