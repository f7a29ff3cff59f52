/** Tells the listeners of a target of its changes: at most once a turn of the event loop, and only of what is new. */
export type Teller = Readonly<{
  /** Something may have changed. */
  changed(): void;
  /** What was `made` since the last change, made once: a pool of a thousand members is asked for at every turn. */
  kept<Value>(make: () => Value): () => Value;
  /** Something will, at this time, by time alone; monotonic ms. The next call takes its place. */
  wake(at: number | undefined, now: number): void;
  onChange(listener: () => void): () => void;
  close(): void;
}>;

/** Longest delay that a timer of Node can hold. */
const longestMs = 2 ** 31 - 1;

/** `look` answers all that listeners may ask for, as plain data. */
export function createTeller(look: () => unknown): Teller {
  const listeners = new Set<() => void>();
  let changes = 0;
  let queued = false;
  let closed = false;
  let told: string | undefined;
  let timer: NodeJS.Timeout | undefined;
  let timedAt: number | undefined;

  const changed = () => {
    changes++;
    if (queued || closed) return;
    queued = true;
    setImmediate(() => {
      queued = false;
      if (closed) return;
      const now = JSON.stringify(look());
      if (now === told) return;
      told = now;
      for (const listener of listeners) listener();
    });
  };

  return {
    changed,
    kept<Value>(make: () => Value) {
      let made: Readonly<{ at: number; value: Value }> | undefined;
      return () => {
        if (made?.at !== changes) made = { at: changes, value: make() };
        return made.value;
      };
    },
    wake(at, now) {
      if (at === timedAt || closed) return;
      clearTimeout(timer);
      timedAt = at;
      if (at === undefined) return;
      timer = setTimeout(
        () => {
          timedAt = undefined;
          changed();
        },
        Math.min(longestMs, Math.max(1, at - now + 1)),
      );
      timer.unref();
    },
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}
