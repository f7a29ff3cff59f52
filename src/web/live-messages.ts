import { type ChangeHint, type SnapshotSource, type WorkerSnapshot, workerKey } from "../control/worker-snapshot.ts";
import type { Columns } from "../telemetry/series.ts";

/** With more workers than this the first message leaves out the series: the page asks for those it shows. */
const mostWithSeries = 24;

/** What the stream says, and what is still to be said. */
export type LiveMessages = Readonly<{
  /** `snapshot`: { generatedAt, workers (with series when they are few), connections }. */
  snapshot(): string;
  note(hint: ChangeHint): void;
  /**
   * `worker`: the worker and the newest part of its series, which replaces what the page has from its first `t` on;
   * `gone`: { namespace, name }. Empty when nothing changed.
   */
  changes(): string;
  /** `beat`: { generatedAt, connections }. */
  beat(): string;
  /** Forgets what is still to be said: nobody listens. */
  reset(): void;
}>;

export type LiveSource = Readonly<{
  source: SnapshotSource;
  /** Takes secrets out of JSON text. */
  redact: (json: string) => string;
  wallClock: () => number;
}>;

export function liveMessages({ source, redact, wallClock }: LiveSource): LiveMessages {
  let changed = new Map<string, Readonly<{ namespace: string; name: string }>>();
  let all = false;
  /** Until when each series has been told, ms since 1970. */
  const told = new Map<string, number>();
  let known = new Set<string>();
  let began = wallClock();

  const now = () => new Date(wallClock()).toISOString();
  const message = (event: string, data: unknown) => `event: ${event}\ndata: ${redact(JSON.stringify(data))}\n\n`;

  function recent({ namespace, name }: WorkerSnapshot): Columns {
    const key = workerKey(namespace, name);
    const series = source.series(namespace, name, told.get(key) ?? began);
    const last = series.t.at(-1);
    if (last !== undefined) told.set(key, last);
    return series;
  }

  function update(worker: WorkerSnapshot | undefined, id: Readonly<{ namespace: string; name: string }>): string {
    const key = workerKey(id.namespace, id.name);
    if (worker !== undefined) {
      known.add(key);
      return message("worker", { ...worker, series: recent(worker) });
    }
    told.delete(key);
    return known.delete(key) ? message("gone", id) : "";
  }

  /** The set itself changed: tell of those that are gone, and of all others. */
  function everything(): string {
    const workers = source.workers();
    const present = new Set(workers.map(({ namespace, name }) => workerKey(namespace, name)));
    const gone = [...known].filter((key) => !present.has(key));
    return [
      ...gone.map((key) =>
        update(undefined, { namespace: key.slice(0, key.indexOf("/")), name: key.slice(key.indexOf("/") + 1) }),
      ),
      ...workers.map((worker) => update(worker, worker)),
    ].join("");
  }

  return {
    snapshot() {
      const workers = source.workers();
      known = new Set([...known, ...workers.map(({ namespace, name }) => workerKey(namespace, name))]);
      const few = workers.length <= mostWithSeries;
      return message("snapshot", {
        generatedAt: now(),
        workers: few
          ? workers.map((worker) => ({ ...worker, series: source.series(worker.namespace, worker.name, 0) }))
          : workers,
        connections: source.connections(),
      });
    },
    note(hint) {
      if ("workers" in hint) all = true;
      else changed.set(workerKey(hint.worker.namespace, hint.worker.name), hint.worker);
    },
    changes() {
      const ids = changed;
      const whole = all;
      changed = new Map();
      all = false;
      if (whole) return everything();
      return [...ids.values()].map((id) => update(source.worker(id.namespace, id.name), id)).join("");
    },
    beat: () => message("beat", { generatedAt: now(), connections: source.connections() }),
    reset() {
      changed = new Map();
      all = false;
      told.clear();
      known = new Set();
      began = wallClock();
    },
  };
}
