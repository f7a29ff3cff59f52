/**
 * Who wants to hear of which keys, and for which of them Redis still owes us a word.
 *
 * CLIENT TRACKING tells once that a key changed, and then no more until it is asked for again. In its plain mode every
 * read arms its keys, but a script arms all of its KEYS anew with each command that it runs: seen on Redis 7.0, 500
 * keys in one script cost 19 µs a key instead of 0.3. With OPTIN only chosen commands arm. So each chunk is preceded by
 * one EXISTS over those of its keys that are watched and not armed, at rest none. First arm, then read: whatever
 * changes in between is told.
 */
export interface Tracker {
  watch(keys: readonly string[], hint: () => void): Disposable;
  /** Those of `keys` that have to be armed; from now on they count as armed. */
  claim(keys: Iterable<string>): string[];
  /** Arming these failed. */
  release(keys: readonly string[]): void;
  /** This key changed; null: all of them may have. */
  changed(key: string | null): void;
}

type Hint = () => void;
type Forget = (key: string, hint: Hint) => void;

/** A class, because there may be ten thousand of them: it weighs a tenth of an AbortSignal with its listener. */
class Interest implements Disposable {
  private readonly keys: readonly string[];
  private readonly hint: Hint;
  private readonly forget: Forget;

  constructor(keys: readonly string[], hint: Hint, forget: Forget) {
    this.keys = keys;
    this.hint = hint;
    this.forget = forget;
  }

  [Symbol.dispose]() {
    for (const key of this.keys) this.forget(key, this.hint);
  }
}

export function createTracker(): Tracker {
  /** Nearly every key has one who wants to hear of it: ten thousand sets of one would weigh more than all the rest here. */
  const hintsByKey = new Map<string, Hint | Set<Hint>>();
  const unarmed = new Set<string>();

  const forget: Forget = (key, hint) => {
    const hints = hintsByKey.get(key);
    if (hints instanceof Set) {
      hints.delete(hint);
      if (hints.size > 0) return;
    } else if (hints !== hint) return;
    hintsByKey.delete(key);
    unarmed.delete(key);
  };

  return {
    watch(keys, hint) {
      for (const key of keys) {
        const hints = hintsByKey.get(key);
        if (hints) {
          if (hints instanceof Set) hints.add(hint);
          else if (hints !== hint) hintsByKey.set(key, new Set([hints, hint]));
          continue;
        }
        hintsByKey.set(key, hint);
        unarmed.add(key);
      }
      return new Interest(keys, hint, forget);
    },
    claim(keys) {
      if (unarmed.size === 0) return [];
      const claimed: string[] = [];
      for (const key of keys) if (unarmed.delete(key)) claimed.push(key);
      return claimed;
    },
    release(keys) {
      for (const key of keys) if (hintsByKey.has(key)) unarmed.add(key);
    },
    changed(key) {
      const keys = key === null ? [...hintsByKey.keys()] : [key];
      const hints = new Set<Hint>();
      for (const one of keys) {
        const found = hintsByKey.get(one);
        if (found === undefined) continue;
        unarmed.add(one);
        if (found instanceof Set) for (const hint of found) hints.add(hint);
        else hints.add(found);
      }
      for (const hint of hints) hint();
    },
  };
}
