/** What to do with one more of a kind. `missed`: how many of this kind were held back since the last that passed. */
export type Passage = Readonly<{ pass: true; missed: number } | { pass: false }>;

/** Lets a burst of each kind through and then a trickle, so that an outage of everything does not flood a log. */
export type Limit = (kind: string) => Passage;

export type LimitOptions = Readonly<{
  /** Monotonic ms. */
  clock: () => number;
  /** How many of one kind pass at once. */
  burst: number;
  /** How many of one kind pass each second after that. */
  perSecond: number;
}>;

/** Kinds are constant messages: there are few. Past this many the limit starts anew rather than grow. */
const mostKinds = 1_000;

export function createLimit({ clock, burst, perSecond }: LimitOptions): Limit {
  const kinds = new Map<string, { left: number; at: number; missed: number }>();
  return (kind) => {
    const now = clock();
    let state = kinds.get(kind);
    if (state === undefined) {
      if (kinds.size >= mostKinds) kinds.clear();
      state = { left: burst, at: now, missed: 0 };
      kinds.set(kind, state);
    }
    state.left = Math.min(burst, state.left + ((now - state.at) / 1000) * perSecond);
    state.at = now;
    if (state.left < 1) {
      state.missed++;
      return { pass: false };
    }
    state.left--;
    const { missed } = state;
    state.missed = 0;
    return { pass: true, missed };
  };
}
