/** Full jitter: somewhere between half of `baseMs` and `baseMs · 2^(failures - 1)`, at most `capMs`. `failures` is at least 1. */
export function jitterMs(failures: number, baseMs: number, capMs: number, random: () => number = Math.random): number {
  const ceiling = Math.min(capMs, baseMs * 2 ** Math.min(failures - 1, 20));
  const floor = Math.min(baseMs / 2, ceiling);
  return floor + random() * (ceiling - floor);
}

/** Resolves after so many ms, or as soon as the signal fires. Never rejects. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, Math.min(ms, 0x7fffffff)); // a longer one would fire at once
    signal.addEventListener("abort", end, { once: true });
  });
}

/** Settles as `work` does, or rejects with the signal's reason as soon as it fires; the work goes on for whoever shares it. */
export async function until<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const stop = () => reject(signal.reason);
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** Wakes one that sleeps. A ring while nobody sleeps is kept for the next. */
export type Bell = Readonly<{ ring(): void; wait(ms: number, signal: AbortSignal): Promise<void> }>;

export function createBell(): Bell {
  let rung = false;
  let wake: (() => void) | undefined;
  return {
    ring() {
      rung = true;
      wake?.();
    },
    async wait(ms, signal) {
      if (!rung) {
        const woken = new AbortController();
        const end = () => woken.abort();
        wake = end;
        signal.addEventListener("abort", end, { once: true });
        if (!signal.aborted) await pause(ms, woken.signal);
        signal.removeEventListener("abort", end);
        wake = undefined;
      }
      rung = false;
    },
  };
}
