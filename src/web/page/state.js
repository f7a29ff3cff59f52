/** What the figures of a worker mean: pure functions over what the API tells. */

export const keyOf = ({ namespace, name }) => `${namespace}/${name}`;

/** The namespace is said only where it is not the default one. */
export const titleOf = ({ namespace, name }) => (namespace === "default" ? name : `${namespace}/${name}`);

export const conditionOf = (worker, type) => worker.conditions.find((condition) => condition.type === type);
const holds = (worker, type, status) => conditionOf(worker, type)?.status === status;

/** Its newest reading is good and fresh: what is kept of an older one is no news. */
const isFresh = ({ state, problem }) => state === "known" && problem === undefined;

/** Every trigger is known: only then are sums over them. */
export const isKnown = ({ triggers }) => triggers.length > 0 && triggers.every(isFresh);

/** Jobs that two triggers see count once. */
const sumOf = (triggers, field) =>
  triggers.filter(({ countedBy }) => countedBy === undefined).reduce((sum, trigger) => sum + (trigger[field] ?? 0), 0);

/** Jobs that wait in all triggers; undefined while one is not known. Not knowing is not zero. */
export const waitingOf = (worker) => (isKnown(worker) ? sumOf(worker.triggers, "waiting") : undefined);

/** Jobs in hand; undefined where no trigger tells, or one is not known. */
export function runningOf(worker) {
  if (!isKnown(worker) || worker.triggers.every(({ running }) => running === undefined)) return undefined;
  return sumOf(worker.triggers, "running");
}

/** What was last known while it is not any more: { waiting, at }, `at` of the oldest reading in it. Undefined: nothing ever was. */
export function lastWaitingOf(worker) {
  const { triggers } = worker;
  if (isKnown(worker) || triggers.length === 0) return undefined;
  if (triggers.some(({ waiting, readAt }) => waiting === undefined || readAt === undefined)) return undefined;
  return { waiting: sumOf(triggers, "waiting"), at: Math.min(...triggers.map(({ readAt }) => Date.parse(readAt))) };
}

/** Age of the oldest waiting job, as far as triggers are known, ms. */
export function waitOf(worker, now) {
  const ages = worker.triggers
    .filter(isFresh)
    .flatMap(({ oldestAt }) => (oldestAt === undefined ? [] : [now - Date.parse(oldestAt)]));
  return ages.length === 0 ? undefined : Math.max(0, ...ages);
}

/** Whether jobs may wait longer than {@link waitOf} tells: some frameworks do not say when each was put in. */
export const waitsLonger = (worker) => worker.triggers.some((trigger) => isFresh(trigger) && trigger.oldestIsLeast === true);

/** How long a job should wait at most: the shortest that a trigger asks for. */
export function waitTargetOf(worker) {
  const targets = worker.triggers.flatMap(({ waitTargetMs }) => (waitTargetMs === undefined ? [] : [waitTargetMs]));
  return targets.length === 0 ? undefined : Math.min(...targets);
}

export function isOverdue(worker, now) {
  const wait = waitOf(worker, now);
  const target = waitTargetOf(worker);
  return wait !== undefined && target !== undefined && wait > target;
}

/**
 * The one word for a worker, first match: what needs attention, what holds it, what it is doing.
 * `tone` is bad, warn, good, busy or mute; the word and the icon say the same without colour.
 */
export function stateOf(worker, now) {
  const { pool, trouble } = worker;
  if (holds(worker, "Ready", "False")) return { word: "Not ready", icon: "cross", tone: "bad" };
  if (trouble !== undefined) return { word: "Trouble", icon: "warn", tone: "warn" };
  const paused = conditionOf(worker, "Paused");
  if (paused?.status === "True" && paused.reason === "PausedBySpec") return { word: "Paused", icon: "pause", tone: "mute" };
  if (isStuck(worker)) return { word: "Stuck at zero", icon: "warn", tone: "bad" };
  if (holds(worker, "ReadingsFresh", "False")) {
    const word = conditionOf(worker, "ReadingsFresh").reason === "NeverRead" ? "Not read yet" : "Stale";
    return { word, icon: "warn", tone: "warn" };
  }
  if (isUntaken(worker, now)) return { word: "No job taken", icon: "warn", tone: "bad" };
  if (holds(worker, "Ready", "Unknown") || pool === undefined) return { word: "Starting", icon: "dots", tone: "mute" };
  if (worker.mode === "Observe") return { word: "Observing", icon: "eye", tone: "mute" };
  if (isFull(worker)) return { word: "At maximum", icon: "top", tone: isOverdue(worker, now) ? "warn" : "busy" };
  if (pool.existing < pool.wanted) return { word: "Growing", icon: "up", tone: "busy" };
  if (pool.leaving > 0 || pool.existing > pool.wanted) return { word: "Shrinking", icon: "down", tone: "busy" };
  if (holds(worker, "Active", "True")) return { word: "Working", icon: "check", tone: "good" };
  if (pool.existing === 0) return { word: "Asleep", icon: "moon", tone: "mute" };
  return { word: "Idle", icon: "check", tone: "good" };
}

const isFull = ({ pool, max, min }) => max > min && pool !== undefined && pool.wanted >= max;

/** A ready worker may take so long to its first job, ms. */
const untakenMs = 30_000;

/** Jobs wait, workers live, and none takes any for long: most often they listen elsewhere. */
function isUntaken({ untakenSince }, now) {
  return untakenSince !== undefined && now - Date.parse(untakenSince) > untakenMs;
}

/** Work waits, nobody is there and nobody is asked for, although nothing holds it. */
function isStuck(worker) {
  const { pool, mode } = worker;
  return (
    mode === "Scale" &&
    pool !== undefined &&
    pool.existing === 0 &&
    pool.wanted === 0 &&
    (waitingOf(worker) ?? 0) > 0 &&
    worker.decision?.to === 0 &&
    worker.triggers.every(({ active }) => active)
  );
}

/** What a person should look at, gravest first: { tone, icon, title, text, href }. */
export function attentionOf(workers, connections, now, words) {
  const items = workers.flatMap((worker) => aboutWorker(worker, now, words));
  const down = connections
    .filter(({ up, problem }) => !up && problem !== undefined)
    .map(({ name, problem }) => ({
      tone: "bad",
      icon: "cross",
      title: `connection ${name}`,
      text: `${problem.message}, since ${words.clock(problem.since)}`,
      href: "#connections-title",
    }));
  return [...items, ...down].sort((a, b) => (a.tone === b.tone ? 0 : a.tone === "bad" ? -1 : 1));
}

function aboutWorker(worker, now, words) {
  const item = (tone, icon, text) => ({ tone, icon, title: titleOf(worker), text, href: `#${idOf(worker)}` });
  const ready = conditionOf(worker, "Ready");
  const fresh = conditionOf(worker, "ReadingsFresh");
  if (ready?.status === "False") return [item("bad", "cross", `not ready: ${ready.message || words.reasonWords(ready.reason)}`)];
  const items = [];
  if (worker.trouble !== undefined) items.push(item("warn", "warn", worker.trouble.message));
  if (isStuck(worker)) items.push(item("bad", "warn", `stuck at zero with ${words.plural(waitingOf(worker), "job")} waiting`));
  if (fresh?.status === "False") {
    const what = fresh.reason === "NeverRead" ? "no reading yet, tried since" : "readings are stale since";
    items.push(item("warn", "warn", `${what} ${words.clock(fresh.since)}: ${fresh.message}`));
  }
  if (isUntaken(worker, now)) {
    const forLong = words.span(Math.floor((now - Date.parse(worker.untakenSince)) / 1000) * 1000);
    items.push(item("bad", "warn", `workers take no jobs for ${forLong}: are they connected to the same broker and queue?`));
  }
  if (isFull(worker) && isOverdue(worker, now)) {
    const wait = words.span(waitOf(worker, now));
    items.push(
      item(
        "warn",
        "top",
        `at its maximum of ${worker.max}, and the oldest job waits ${wait} (should be ${words.span(waitTargetOf(worker))})`,
      ),
    );
  }
  return items;
}

/** The anchor of a worker's card. */
export const idOf = (worker) => `pool-${encodeURIComponent(keyOf(worker)).replace(/%/g, "_")}`;

/**
 * The newest part of a series put behind what is there: it replaces everything from its first time on.
 * Points older than `keepMs` are let go.
 */
export function joined(series, newer, keepMs) {
  if (newer === undefined || newer.t.length === 0) return series;
  if (series === undefined) return newer;
  const from = newer.t[0];
  const end = series.t.findIndex((t) => t >= from);
  const upTo = end < 0 ? series.t.length : end;
  const oldest = newer.t[newer.t.length - 1] - keepMs;
  const start = Math.max(0, series.t.findIndex((t) => t >= oldest) - 1);
  return Object.fromEntries(Object.keys(newer).map((name) => [name, [...series[name].slice(start, upTo), ...newer[name]]]));
}
