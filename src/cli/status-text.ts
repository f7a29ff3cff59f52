import type { WorkerSnapshot } from "../control/worker-snapshot.ts";
import { ageText, table } from "./text.ts";

/** Nothing is wrong with it that somebody has to mend. */
export function healthy({ conditions }: WorkerSnapshot): boolean {
  return !conditions.some(({ type, status }) => type === "Ready" && status === "False");
}

/** One row per pool, as kubectl prints them. `now` is ms since 1970. */
export function statusText(workers: readonly WorkerSnapshot[], now: number): string {
  if (workers.length === 0) return "There are no ScaledWorkers.";
  const rows = workers.map((worker) => {
    const { pool, decision, busy, lastChange, conditions } = worker;
    const ready = conditions.find(({ type }) => type === "Ready");
    return [
      worker.namespace === "default" ? worker.name : `${worker.namespace}/${worker.name}`,
      count(pool?.existing),
      count(decision?.to),
      String(worker.max),
      count(busy),
      count(waitingOf(worker)),
      ready?.status ?? "Unknown",
      ready?.status === "True" ? (decision?.reason ?? "Starting") : (ready?.reason ?? "Starting"),
      lastChange === undefined ? "<none>" : ageText(now - Date.parse(lastChange.at)),
    ];
  });
  return table(["NAME", "WORKERS", "WANTED", "MAX", "BUSY", "WAITING", "READY", "REASON", "CHANGED"], rows);
}

/** Jobs that wait in all triggers, those that two of them see once; undefined while one is not known: its last reading is no news. Schedules have none. */
function waitingOf({ triggers }: WorkerSnapshot): number | undefined {
  const isKnown = triggers.length > 0 && triggers.every(({ state, problem }) => state === "known" && problem === undefined);
  const told = triggers.filter(({ countedBy }) => countedBy === undefined);
  return isKnown ? told.reduce((sum, { waiting = 0 }) => sum + waiting, 0) : undefined;
}

function count(value: number | undefined): string {
  return value === undefined ? "<unknown>" : String(value);
}
