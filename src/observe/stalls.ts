/** Notices that this process stood still: a long garbage collection, big JSON, SIGSTOP, a laptop asleep. */
export interface Stalls {
  /** Whether it stood still at any time after `at`, monotonic ms. What seemed slow since then may have been us. */
  since(at: number): boolean;
  /** Takes note of a stall that ended in this very turn; what begins from here on did not suffer from it. */
  tick(): void;
  stop(): void;
}

const everyMs = 50;
const longMs = 500;

/**
 * A timer of our own: `monitorEventLoopDelay` misses a stall that begins right after it is enabled or reset.
 * It does not keep the process alive.
 */
export function createStalls(clock: () => number): Stalls {
  let tickedAt = clock();
  let endedAt = Number.NEGATIVE_INFINITY;
  const tick = () => {
    const now = clock();
    if (now - tickedAt > everyMs + longMs) endedAt = now;
    tickedAt = now;
  };
  const timer = setInterval(tick, everyMs);
  timer.unref();
  return {
    since(at) {
      tick();
      return endedAt > at;
    },
    tick,
    stop: () => clearInterval(timer),
  };
}
