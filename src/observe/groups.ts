import type { AnyScaler } from "../core/contract.ts";
import type { Watched } from "./watched.ts";

/** Triggers of one scaler, which are read by one call; `queries` in the same order. */
export type Batch = Readonly<{ scaler: AnyScaler; watched: readonly Watched[]; queries: readonly unknown[] }>;

/** The triggers of one connection by interval: each interval has one timer, whatever their number. */
export interface Groups {
  add(watched: Watched): void;
  remove(watched: Watched): void;
  all(): Iterable<Watched>;
  size(): number;
  stop(): void;
}

type Group = {
  readonly members: Set<Watched>;
  /** Kept from round to round, so that a round at rest allocates nothing per trigger and a scaler may cache by identity. */
  batches: readonly Batch[] | undefined;
  timer: NodeJS.Timeout | undefined;
};

/** Longest delay that a timer of Node can hold; a longer one would fire at once. */
const longestTimerMs = 2 ** 31 - 1;

/**
 * Calls `round` for each interval, which jitter makes 5 to 15 % shorter, so that rounds of many connections do not fall into
 * step: never longer, and with what follows the round, a job waits no longer than an interval until it is acted on.
 */
export function createGroups(round: (batches: readonly Batch[]) => void, random: () => number): Groups {
  const groups = new Map<number, Group>();
  let size = 0;

  const arm = (intervalMs: number, group: Group) => {
    const delay = Math.min(longestTimerMs, intervalMs * (0.85 + 0.1 * random()));
    group.timer = setTimeout(() => {
      // First of all the next one: nothing that happens in a round can end the rounds.
      arm(intervalMs, group);
      group.batches ??= batchesOf(group.members);
      round(group.batches);
    }, delay);
  };

  return {
    add(watched) {
      const { intervalMs } = watched.watch;
      let group = groups.get(intervalMs);
      if (group === undefined) {
        group = { members: new Set(), batches: undefined, timer: undefined };
        groups.set(intervalMs, group);
        arm(intervalMs, group);
      }
      group.members.add(watched);
      group.batches = undefined;
      size += 1;
    },
    remove(watched) {
      const { intervalMs } = watched.watch;
      const group = groups.get(intervalMs);
      if (group === undefined || !group.members.delete(watched)) return;
      group.batches = undefined;
      size -= 1;
      if (group.members.size > 0) return;
      clearTimeout(group.timer);
      groups.delete(intervalMs);
    },
    *all() {
      for (const { members } of groups.values()) yield* members;
    },
    size: () => size,
    stop() {
      for (const { timer } of groups.values()) clearTimeout(timer);
      groups.clear();
      size = 0;
    },
  };
}

/** One batch for each scaler. */
export function batchesOf(all: Iterable<Watched>): readonly Batch[] {
  const byScaler = new Map<AnyScaler, { watched: Watched[]; queries: unknown[] }>();
  for (const watched of all) {
    const { scaler, query } = watched.watch;
    let batch = byScaler.get(scaler);
    if (batch === undefined) {
      batch = { watched: [], queries: [] };
      byScaler.set(scaler, batch);
    }
    batch.watched.push(watched);
    batch.queries.push(query);
  }
  return [...byScaler].map(([scaler, batch]) => ({ scaler, ...batch }));
}
