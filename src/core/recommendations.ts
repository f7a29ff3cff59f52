import type { InForce, Recommendations } from "./memory.ts";

/**
 * The log of recommendations that stabilisation looks back on.
 *
 * HPA asks every 15 s and keeps a plain list; here decisions come with events, thousands a second or none for minutes.
 * So a recommendation stays in force until the next one: as if it were noted again right before that. Only what can yet be
 * the largest (or smallest) of its window is kept: an older entry that is not larger than a later one never counts again.
 * An entry counts while less than a window has gone by since it was in force: HPA's strict edge.
 */
export type Windows = Readonly<{ upMs: number; downMs: number }>;

/** So many entries are exact. Beyond, the two closest in time become one, which holds longer and never shorter. */
const mostEntries = 64;

/** A log that starts with the present size, as HPA's: no move against it for a whole window after a start. */
export function seed(current: number): Recommendations {
  return { last: current, down: [], up: [] };
}

/** Notes what is recommended from now on. */
export function record(log: Recommendations, n: number, now: number, windows: Windows): Recommendations {
  return {
    last: n,
    down: pushed(log.down, log.last, now, windows.downMs, false),
    up: pushed(log.up, log.last, now, windows.upMs, true),
  };
}

function pushed(entries: readonly InForce[], n: number, now: number, windowMs: number, smallest: boolean): readonly InForce[] {
  if (windowMs <= 0) return none;
  let first = 0;
  while (first < entries.length && !counts(entries[first], now, windowMs)) first += 1;
  let end = entries.length;
  while (end > first && !outranks(entries[end - 1], n, smallest)) end -= 1;
  const kept = entries.slice(first, end);
  kept.push({ n, until: now });
  return kept.length > mostEntries ? merged(kept) : kept;
}

const none: readonly InForce[] = [];

/** Added, not subtracted: the very sum that is told as the next time to decide, so that both agree to the last bit. */
function counts(entry: InForce | undefined, now: number, windowMs: number): boolean {
  return entry !== undefined && entry.until + windowMs > now;
}

function outranks(entry: InForce | undefined, n: number, smallest: boolean): boolean {
  return entry !== undefined && (smallest ? entry.n < n : entry.n > n);
}

/** The earlier of two neighbours ranks higher: it takes over the time of the later one. */
function merged(entries: readonly InForce[]): readonly InForce[] {
  let at = 0;
  let least = Number.POSITIVE_INFINITY;
  for (const [index, entry] of entries.entries()) {
    const gap = (entries[index + 1]?.until ?? Number.POSITIVE_INFINITY) - entry.until;
    if (gap < least) {
      least = gap;
      at = index;
    }
  }
  return entries.flatMap((entry, index) => {
    if (index === at) return [{ n: entry.n, until: entries[at + 1]?.until ?? entry.until }];
    return index === at + 1 ? [] : [entry];
  });
}

/** The entry of the scale-down window that counts most: the largest. */
export function largest(log: Recommendations, now: number, windowMs: number): InForce | undefined {
  return log.down.find((entry) => counts(entry, now, windowMs));
}

/** The entry of the scale-up window that counts most: the smallest. */
export function smallest(log: Recommendations, now: number, windowMs: number): InForce | undefined {
  return log.up.find((entry) => counts(entry, now, windowMs));
}
