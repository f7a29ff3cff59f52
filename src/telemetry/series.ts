/** How a pool stood at one instant. `t` is milliseconds since 1970; null is not known, never zero. */
export type Point = Readonly<{
  t: number;
  /** Jobs that wait, over all triggers. */
  waiting: number | null;
  /** Age of the oldest waiting job of all triggers, ms. */
  oldestMs: number | null;
  /** Replicas asked for. */
  wanted: number | null;
  /** Replicas that are there and not leaving. */
  existing: number | null;
  /** Workers with a job in hand. */
  busy: number | null;
}>;

/** Points as columns of equal length, oldest first: what a chart draws, and a third of the text of objects. */
export type Columns = Readonly<{ [Name in keyof Point]: readonly Point[Name][] }>;

/** The recent past of each pool for charts; memory is bounded, the older half grows coarser by itself. */
export type SeriesStore = Readonly<{
  add(worker: string, point: Point): void;
  /** Points with `t` of at least `since`. */
  columns(worker: string, since?: number): Columns;
  forget(worker: string): void;
}>;

export type SeriesOptions = Readonly<{
  /** Points kept per worker. Default 480. */
  size?: number;
  /** Points closer than this to the one before the last replace the last, ms. Default 500. */
  gapMs?: number;
}>;

export function createSeries({ size = 480, gapMs = 500 }: SeriesOptions = {}): SeriesStore {
  const workers = new Map<string, Point[]>();
  return {
    add(worker, point) {
      const points = workers.get(worker) ?? [];
      workers.set(worker, points);
      // A wall clock that was set back must not fold the chart over itself.
      while ((points.at(-1)?.t ?? 0) > point.t) points.pop();
      const last = points.at(-1);
      const before = points.at(-2);
      if (last !== undefined && before !== undefined) {
        const flat = same(before, last) && same(last, point);
        if (flat || point.t - before.t < gapMs) points.pop();
      }
      points.push(point);
      if (points.length > size) workers.set(worker, thinned(points));
    },
    columns: (worker, since = 0) => toColumns((workers.get(worker) ?? []).filter((point) => point.t >= since)),
    forget(worker) {
      workers.delete(worker);
    },
  };
}

/** Every second point of the older half goes. */
function thinned(points: readonly Point[]): Point[] {
  const half = points.length >> 1;
  return points.filter((_, index) => index >= half || index % 2 === 0);
}

function same(a: Point, b: Point): boolean {
  return (
    a.waiting === b.waiting &&
    a.oldestMs === b.oldestMs &&
    a.wanted === b.wanted &&
    a.existing === b.existing &&
    a.busy === b.busy
  );
}

function toColumns(points: readonly Point[]): Columns {
  return {
    t: points.map((point) => point.t),
    waiting: points.map((point) => point.waiting),
    oldestMs: points.map((point) => point.oldestMs),
    wanted: points.map((point) => point.wanted),
    existing: points.map((point) => point.existing),
    busy: points.map((point) => point.busy),
  };
}
