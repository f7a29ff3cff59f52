/** Full jitter: somewhere between a tenth of `baseMs` and `baseMs · 2^(failures - 1)`, at most `capMs`. `failures` is at least 1. */
export function jitterMs(failures: number, baseMs: number, capMs: number, random: () => number = Math.random): number {
  const ceiling = Math.min(capMs, baseMs * 2 ** Math.min(failures - 1, 20));
  const floor = Math.min(baseMs / 10, ceiling);
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
