import type { KubeError, Selection } from "./kube.ts";

export type WatchSelection = Omit<Selection, "namespace"> &
  Readonly<{ /** Absent: all of them. */ namespaces?: readonly string[] }>;

/** All objects of a selection, kept up to date, each cut down to what is used of it. Never waits. */
export interface WatchList<Slim> extends AsyncDisposable {
  /** By {@link keyOf}. */
  get(key: string): Slim | undefined;
  entries(): IterableIterator<[key: string, slim: Slim]>;
  readonly size: number;
  /** Resolves once everything was listed for the first time; never rejects. */
  readonly synced: Promise<void>;
  isSynced(): boolean;
  /** Age of what is known, ms: since the server last said anything. Undefined until synced. */
  ageMs(): number | undefined;
  /** Why it is not up to date just now. */
  problem(): KubeError | undefined;
  /** `now` is undefined when it is gone, `was` when it is new. Returns how to stop. */
  onChange(listener: (key: string, now: Slim | undefined, was: Slim | undefined) => void): () => void;
}
