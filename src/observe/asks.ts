import { type Batch, batchesOf } from "./groups.ts";
import type { Watched } from "./watched.ts";

/** Reads out of turn: of new triggers, for those who asked, and after hints. What is asked in one turn makes one batch. */
export interface Asks {
  /** Reads it as soon as nothing of it is on its way. */
  ask(watched: Watched): void;
  /**
   * Something may have changed. The first hint is followed at once; then at most one read per window, and always
   * one that is sent after the last hint.
   */
  hint(watched: Watched): void;
  /** Nothing of it is on its way any more: follows what was asked meanwhile. */
  free(watched: Watched): void;
  /** A batch of so many, with woken ones among them, took so long. */
  spent(ms: number, triggers: number): void;
  stop(): void;
}

/**
 * What woken reads may take of the broker's time and ours: a quarter, after a burst. Ten thousand triggers that all
 * change all the time would otherwise be read without a pause.
 */
const share = 0.25;
const burstMs = 100;
/** One trigger never takes longer, ms: where an answer took longer, it was the way there, or others. */
const longestShareMs = 0.2;

export function createAsks(
  read: (batches: readonly Batch[]) => void,
  { clock, coalesceMs }: Readonly<{ clock: () => number; coalesceMs: number }>,
): Asks {
  let next = new Set<Watched>();
  /** Hinted at within the window of their last woken read. */
  const later = new Set<Watched>();
  let immediate: NodeJS.Immediate | undefined;
  let timer: NodeJS.Timeout | undefined;
  /** What is left of their share, ms, at that time; negative while it is overdrawn. */
  let credit = { ms: burstMs, at: clock() };
  /** The fastest answer so far: the way there and back. */
  let fastestMs = Number.POSITIVE_INFINITY;

  /** When a hint may be followed. */
  const dueAt = ({ wokenReadAt }: Watched) => Math.max(wokenReadAt + coalesceMs, credit.at - credit.ms / share);

  const enqueue = (watched: Watched) => {
    next.add(watched);
    immediate ??= setImmediate(flush);
  };

  const flush = () => {
    immediate = undefined;
    const now = clock();
    const asked = next;
    next = new Set();
    const ready: Watched[] = [];
    for (const watched of asked) {
      if (watched.stopped || watched.reading) continue;
      if (watched.due) ready.push(watched);
      else if (watched.hintedAt === undefined) continue;
      else if (now < dueAt(watched)) later.add(watched);
      else ready.push(watched);
    }
    armLater(now);
    if (ready.length > 0) read(batchesOf(ready));
  };

  const armLater = (now: number) => {
    if (timer !== undefined || later.size === 0) return;
    let soonest = Number.POSITIVE_INFINITY;
    for (const watched of later) soonest = Math.min(soonest, dueAt(watched));
    timer = setTimeout(wakeLater, Math.max(1, Math.ceil(soonest - now)));
  };

  const wakeLater = () => {
    timer = undefined;
    const now = clock();
    for (const watched of later) {
      if (now < dueAt(watched)) continue;
      later.delete(watched);
      next.add(watched);
    }
    clearImmediate(immediate);
    flush();
  };

  const hint = (watched: Watched) => {
    if (watched.stopped) return;
    watched.hintedAt ??= clock();
    if (!watched.reading && !later.has(watched)) enqueue(watched);
  };

  return {
    ask(watched) {
      watched.due = true;
      later.delete(watched);
      if (!watched.reading) enqueue(watched);
    },
    hint,
    free(watched) {
      if (watched.due) enqueue(watched);
      else if (watched.hintedAt !== undefined) hint(watched);
    },
    spent(ms, triggers) {
      const now = clock();
      fastestMs = Math.min(fastestMs, ms);
      const cost = Math.min(ms - fastestMs, triggers * longestShareMs);
      credit = { ms: Math.min(burstMs, credit.ms + (now - credit.at) * share) - cost, at: now };
    },
    stop() {
      clearImmediate(immediate);
      clearTimeout(timer);
      next.clear();
      later.clear();
    },
  };
}
