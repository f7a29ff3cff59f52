/** How soon workers that exit by themselves are started again. All times monotonic ms. */
export type Backoff = Readonly<{
  /** Which step the pool is at: a worker carries the step that it was started in. */
  step(): number;
  /** Quick ends in a row, one per step: 0 when all is well. */
  level(): number;
  /** A worker, started in `step`, ended by itself after `livedMs`; or one could not be started at all. */
  failed(step: number, livedMs: number, now: number): void;
  /** A worker that was started in `step` has lived for {@link STEADY_MS}: trouble is over. */
  steady(step: number): void;
  /** How many may start now of `fresh` that were never there and `owed` that ended by themselves. `probing`: one of this step lives. */
  allowed(want: Readonly<{ fresh: number; owed: number; probing: boolean }>, now: number): number;
  /** A restart was made: it counts against the cap. */
  restarted(now: number): void;
  /** When {@link allowed} may say more than now; not in the future when only the fate of a living worker can change it. */
  opensAt(now: number): number;
}>;

/** A worker that lived so long was started well. */
export const STEADY_MS = 30_000;
/** So many quick ends in a row are a loop. */
export const LOOP_LEVEL = 3;
const CAP_MS = 60_000;
/** Whatever the delays are, a pool restarts no more workers than this in a minute. */
const RESTARTS_PER_MINUTE = 60;

/**
 * | quick ends in a row | 1 | 2 | 3 | 4 | … |
 * | wait before the next | 0 | 1 s | 2 s | 4 s | up to 60 s |
 *
 * Half of each wait is by chance, so that pools that broke together do not come back together. Workers that were started together
 * and end together are one step, not many. From the third on one worker tries, and the others wait for it to live.
 */
export function createBackoff(random: () => number = Math.random): Backoff {
  let step = 0;
  let level = 0;
  let gate = Number.NEGATIVE_INFINITY;
  let restarts: readonly number[] = [];
  const recent = (now: number): readonly number[] => (restarts = restarts.filter((at) => now - at < 60_000));

  return {
    step: () => step,
    level: () => level,
    failed: (ofStep, livedMs, now) => {
      if (livedMs >= STEADY_MS || ofStep !== step) return;
      level++;
      step++;
      const wait = level === 1 ? 0 : Math.min(CAP_MS, 1000 * 2 ** (level - 2));
      gate = now + wait * (0.5 + random() / 2);
    },
    steady: (ofStep) => {
      if (ofStep !== step) return;
      level = 0;
      gate = Number.NEGATIVE_INFINITY;
    },
    allowed: ({ fresh, owed, probing }, now) => {
      if (now < gate) return 0;
      const budget = Math.max(0, RESTARTS_PER_MINUTE - recent(now).length);
      const most = Math.max(0, fresh) + Math.min(owed, budget);
      return level < LOOP_LEVEL ? most : Math.min(most, probing ? 0 : 1);
    },
    restarted: (now) => {
      restarts = [...recent(now), now];
    },
    opensAt: (now) => {
      const oldest = recent(now)[restarts.length - RESTARTS_PER_MINUTE];
      return Math.max(gate, oldest === undefined ? now : oldest + 60_000);
    },
  };
}
