/** Starts dials in turn, so many in a second over the whole process. */
export interface Dials {
  /**
   * Calls `start` when it is its turn, at once where nobody waits. Urgent ones (not yet known to be in vain) go first:
   * a thousand dead servers do not keep one good one waiting. Returns how to leave the queue.
   */
  turn(urgent: boolean, start: () => void): () => void;
  stop(): void;
}

const windowMs = 1000;

export function createDials(clock: () => number, perSecond = 20): Dials {
  const urgentOnes = new Set<() => void>();
  const patientOnes = new Set<() => void>();
  /** When the last ones started, oldest first. */
  let started: number[] = [];
  let timer: NodeJS.Timeout | undefined;

  const next = (): (() => void) | undefined => {
    for (const queue of [urgentOnes, patientOnes]) {
      for (const start of queue) {
        queue.delete(start);
        return start;
      }
    }
    return undefined;
  };

  const pump = () => {
    timer = undefined;
    while (urgentOnes.size + patientOnes.size > 0) {
      const now = clock();
      started = started.filter((at) => now - at < windowMs);
      const oldest = started[0];
      if (started.length >= perSecond && oldest !== undefined) {
        timer = setTimeout(pump, Math.ceil(oldest + windowMs - now));
        return;
      }
      started.push(now);
      next()?.();
    }
  };

  return {
    turn(urgent, start) {
      const queue = urgent ? urgentOnes : patientOnes;
      const mine = () => start();
      queue.add(mine);
      if (timer === undefined) pump();
      return () => void queue.delete(mine);
    },
    stop() {
      clearTimeout(timer);
      urgentOnes.clear();
      patientOnes.clear();
    },
  };
}
