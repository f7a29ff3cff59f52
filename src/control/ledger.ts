import type { Decision } from "../core/decision.ts";
import type { Columns, SeriesStore } from "../telemetry/series.ts";
import type { Controller, Managed } from "./controller.ts";
import { allKnown, connectionSnapshot, type Told, wallOf, workerSnapshot } from "./snapshot.ts";
import { follow, type Moment, stand } from "./standing.ts";
import { type ChangeHint, type SnapshotSource, type WorkerSnapshot, workerKey } from "./worker-snapshot.ts";

/** Decisions kept for people, per worker; and over all of them, down to two each. */
const mostChanges = 20;
const mostChangesInAll = 20_000;
/** With more workers than this, lists leave out what would change each of them. */
const explainedInLists = 50;

export type LedgerHouse = Readonly<{
  controller: () => Controller;
  series: SeriesStore;
  now: () => number;
  wallClock: () => number;
}>;

/** What there is to tell of every ScaledWorker: page, API, `explain` and metrics take it from here. */
export interface Ledger extends SnapshotSource {
  /** Tells of what may look different, until the returned function is called. */
  subscribe(listener: (hint: ChangeHint) => void): () => void;
  /** A decision that differs from the one before. */
  decided(managed: Managed, decision: Decision): void;
  /** A size was applied. */
  scaled(managed: Managed, decision: Decision, size: number): void;
  /** Readings or pool of this worker may have changed. */
  touched(managed: Managed): void;
  /** Workers were declared or dropped; answers which are gone, and forgets them. */
  declared(): readonly string[];
  /** The list for a scrape: cheap, without explanations. */
  brief(): readonly WorkerSnapshot[];
  /** One of them; undefined when there is none of that key. */
  briefOf(key: string): WorkerSnapshot | undefined;
}

const noColumns: Columns = { t: [], waiting: [], oldestMs: [], wanted: [], existing: [], busy: [] };

export function createLedger({ controller, series, now, wallClock }: LedgerHouse): Ledger {
  const told = new Map<string, Told>();
  let decisions = 0;
  const listeners = new Set<(hint: ChangeHint) => void>();
  const moment = (): Moment => ({ now: now(), wall: wallClock() });
  const of = (key: string): Told => told.get(key) ?? { changes: [], conditions: [] };
  const hint = (change: ChangeHint) => {
    for (const listener of listeners) listener(change);
  };
  const hintOf = ({ worker: { namespace, name } }: Managed) => hint({ worker: { namespace, name } });

  const keep = (key: string, before: Told | undefined, after: Told) => {
    if (after !== before) told.set(key, after);
    return after;
  };

  /** Only time may have moved the conditions since they were followed. */
  const snapshot = (managed: Managed, explained: boolean): WorkerSnapshot => {
    const { key } = managed.worker;
    const at = moment();
    const before = follow(managed, of(key), at);
    const { failing: _, ...rest } = before;
    const after = keep(key, undefined, { ...rest, ...stand(managed, before, at) });
    return workerSnapshot(managed, after, at, explained);
  };

  const list = (explained: boolean) =>
    controller()
      .managed()
      .map((managed) => snapshot(managed, explained));

  return {
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    decided(managed, decision) {
      const { key } = managed.worker;
      const at = wallOf(now(), moment());
      const before = of(key);
      const { from, to, rule, reason, summary, steps } = decision;
      const id = `${key}#${++decisions}`;
      // One line says that nothing changed, however often the reason for it did: changes of size are to be seen.
      const older =
        from === to ? before.changes.slice(before.changes[0]?.from === before.changes[0]?.to ? 1 : 0) : before.changes;
      const changes = [{ id, at, from, to, rule, reason, summary, steps }, ...older].slice(
        0,
        Math.min(mostChanges, Math.max(2, Math.floor(mostChangesInAll / told.size))),
      );
      told.set(key, { ...before, changes, decidedAt: at });
      this.touched(managed);
    },
    scaled(managed, { from, reason }, size) {
      const { key } = managed.worker;
      told.set(key, { ...of(key), lastChange: { at: wallOf(now(), moment()), from, to: size, reason } });
      this.touched(managed);
    },
    touched(managed) {
      const { loop, worker } = managed;
      keep(worker.key, told.get(worker.key), follow(managed, of(worker.key), moment()));
      const readings = loop.observations().map(({ reading, failure }) => (failure === undefined ? reading : undefined));
      const pool = loop.target.pool();
      const decision = loop.decision();
      const isKnown = decision !== undefined && allKnown(decision) && readings.every((reading) => reading !== undefined);
      const ages = readings.flatMap((reading) => reading?.oldestMs ?? []);
      series.add(worker.key, {
        t: wallClock(),
        waiting: readings.every((reading) => reading?.waiting !== undefined || reading?.wants !== undefined)
          ? readings
              .filter((_, index) => worker.triggers[index]?.countedBy === undefined)
              .reduce((sum, reading) => sum + (reading?.waiting ?? 0) + (reading?.dueSoon ?? 0), 0)
          : null,
        oldestMs: ages.length === 0 ? null : Math.max(...ages),
        wanted: pool?.wanted ?? null,
        existing: pool?.existing ?? null,
        busy: isKnown ? (decision.busy ?? null) : null,
      });
      hintOf(managed);
    },
    declared() {
      const present = new Set(
        controller()
          .managed()
          .map(({ worker }) => worker.key),
      );
      const gone = [...told.keys()].filter((key) => !present.has(key));
      for (const key of gone) {
        told.delete(key);
        series.forget(key);
      }
      const at = moment();
      for (const managed of controller().managed()) {
        const { key } = managed.worker;
        keep(key, told.get(key), follow(managed, of(key), at));
      }
      hint({ workers: true });
      return gone;
    },
    brief: () => list(false),
    briefOf(key) {
      const managed = controller().find(key);
      return managed && snapshot(managed, false);
    },
    workers: () => list(controller().managed().length <= explainedInLists),
    worker(namespace, name) {
      const managed = controller().find(workerKey(namespace, name));
      return managed && snapshot(managed, true);
    },
    series(namespace, name, since) {
      const key = workerKey(namespace, name);
      return controller().find(key) === undefined ? noColumns : series.columns(key, since);
    },
    connections: () =>
      controller()
        .connections()
        .map((state) => connectionSnapshot(state, moment())),
  };
}
