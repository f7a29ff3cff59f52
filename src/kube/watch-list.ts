import type { Kube, KubeError, KubeObject, Selection } from "./kube.ts";
import { createSource } from "./watch-source.ts";

export type WatchSelection = Omit<Selection, "namespace"> &
  Readonly<{ /** Absent: all of them. */ namespaces?: readonly string[] }>;

/** All objects of a selection, kept up to date, each cut down to what is used of it. Never waits. */
export interface WatchList<Slim> extends AsyncDisposable {
  /** By `keyOf`. */
  get(key: string): Slim | undefined;
  entries(): IterableIterator<[key: string, slim: Slim]>;
  readonly size: number;
  /** Resolves once everything was listed for the first time; never rejects. */
  readonly synced: Promise<void>;
  isSynced(): boolean;
  /** Age of what is known, ms: since the server last said anything; a quiet watch says something every minute. Undefined until synced. */
  ageMs(): number | undefined;
  /** Why it is not up to date just now. */
  problem(): KubeError | undefined;
  /**
   * `now` is undefined when it is gone, `was` when it is new; an object that was made anew under its old name is first
   * gone. Returns how to stop.
   */
  onChange(listener: (key: string, now: Slim | undefined, was: Slim | undefined) => void): () => void;
}

export type WatchListOptions = Readonly<{
  clock?: () => number;
  /** Told of each failure, and of what `slim` and the listeners throw: none of them ends the watch. */
  onProblem?: (error: unknown) => void;
  /** A whole list at least so often, ms. Default 10 min. */
  relistMs?: number;
}>;

const defaultRelistMs = 10 * 60_000;

/**
 * Watches a selection. `slim` says what to keep of an object, undefined to leave it out; only that is held in memory.
 * With `namespaces` each has a watch of its own, for which a Role in it is enough.
 */
export function watchList<T extends KubeObject, Slim>(
  kube: Kube,
  { namespaces, ...selection }: WatchSelection,
  slim: (object: T) => Slim | undefined,
  options: WatchListOptions = {},
): WatchList<Slim> {
  const { clock = () => performance.now(), onProblem = () => {}, relistMs = defaultRelistMs } = options;
  const listeners = new Set<Parameters<WatchList<Slim>["onChange"]>[0]>();
  const onChange: Parameters<WatchList<Slim>["onChange"]>[0] = (...change) => {
    for (const listener of [...listeners]) {
      try {
        listener(...change);
      } catch (error) {
        onProblem(error);
      }
    }
  };
  const open = (one: Selection) => createSource({ kube, selection: one, slim, onChange, onProblem, clock, relistMs });
  const sources = new Map(
    (namespaces ?? [undefined]).map((namespace) => [
      namespace,
      open(namespace === undefined ? selection : { ...selection, namespace }),
    ]),
  );
  const all = [...sources.values()];
  const sourceOf = (key: string) =>
    sources.get(namespaces === undefined ? undefined : key.slice(0, Math.max(0, key.indexOf("/"))));

  return {
    get: (key) => sourceOf(key)?.held.get(key)?.slim,
    *entries() {
      for (const { held } of all) for (const [key, { slim: one }] of held) yield [key, one];
    },
    get size() {
      return all.reduce((sum, { held }) => sum + held.size, 0);
    },
    synced: Promise.all(all.map(({ synced }) => synced)).then(() => {}),
    isSynced: () => all.every((source) => source.isSynced()),
    ageMs() {
      const ages = all.map((source) => source.ageMs());
      return all.every((source) => source.isSynced()) ? Math.max(...ages.map((age) => age ?? 0)) : undefined;
    },
    problem: () => all.map((source) => source.problem()).find((problem) => problem !== undefined),
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(all.map((source) => source[Symbol.asyncDispose]()));
    },
  };
}
