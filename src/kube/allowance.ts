export type AllowanceOptions = Readonly<{ clock: () => number; burst: number; refillMs: number }>;

/** So many at once for each key, then one more every `refillMs`. */
export type Allowance = Readonly<{
  take(key: string): boolean;
  /** Forgets keys that have all of theirs again. */
  forgetIdle(): void;
}>;

export function createAllowance({ clock, burst, refillMs }: AllowanceOptions): Allowance {
  const buckets = new Map<string, Readonly<{ left: number; at: number }>>();
  const leftOf = (key: string) => {
    const bucket = buckets.get(key);
    return bucket === undefined ? burst : Math.min(burst, bucket.left + (clock() - bucket.at) / refillMs);
  };
  return {
    take(key) {
      const left = leftOf(key);
      if (left < 1) return false;
      buckets.set(key, { left: left - 1, at: clock() });
      return true;
    },
    forgetIdle() {
      for (const key of buckets.keys()) if (leftOf(key) >= burst) buckets.delete(key);
    },
  };
}
