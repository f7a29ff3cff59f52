import type { SetBy } from "./scale-object.ts";

/** What is remembered of the sizes that others set. Times are monotonic ms. */
export type Foreign = Readonly<{
  /** The size that we last saw or wrote. */
  replicas?: number;
  /** Direction of our last write. */
  ours?: "up" | "down";
  /** When others turned one of our changes back, the newest last. */
  reversals: readonly number[];
  /** Who did it last. */
  by?: string;
  /** Somebody set it to zero by itself: it stays there until somebody raises it. */
  zeroBy?: string;
}>;

export const untouched: Foreign = { reversals: [] };

/** Reversals within so long, ms, count; so many are a conflict. */
const windowMs = 600_000;
const tooMany = 3;

/** Others set the size so often against us that one of both has to give way. */
export function inConflict({ reversals }: Foreign, now: number): boolean {
  return reversals.filter((at) => now - at < windowMs).length >= tooMany;
}

/** When {@link inConflict} ends if nothing more happens. */
export const conflictEnds = ({ reversals }: Foreign): number => (reversals.at(-tooMany) ?? 0) + windowMs;

export function wrote(foreign: Foreign, from: number, to: number): Foreign {
  const { zeroBy: _, ...rest } = foreign;
  return { ...rest, replicas: to, ours: to > from ? "up" : "down" };
}

/**
 * Takes in a size that is not ours. A zero that was set by itself, not by applying a whole manifest, is somebody's wish
 * that nothing runs. The API server notes who sets a size, but not for a zero that comes through `/scale`.
 */
export function noticed(foreign: Foreign, replicas: number, setBy: SetBy | undefined, now: number): Foreign {
  const { zeroBy: _, ...rest } = foreign;
  const before = foreign.replicas;
  if (before === replicas) return foreign;
  if (before === undefined) return { ...foreign, replicas };
  const way = replicas > before ? "up" : "down";
  const against = foreign.ours !== undefined && foreign.ours !== way;
  const reversals = against ? [...foreign.reversals.filter((at) => now - at < windowMs), now] : foreign.reversals;
  const by = setBy?.manager ?? "somebody";
  const zero = replicas === 0 && setBy?.declares !== true;
  return { ...rest, replicas, reversals, by, ...(zero && { zeroBy: by }) };
}
