import { isOlder, type KubeObject, keyOf } from "./kube.ts";

/** Gone objects that are remembered, so that a late word of them does not bring them back. */
const mostGone = 4_096;

type Held<Slim> = Readonly<{ uid: string; version: string; slim: Slim }>;

export type Changed<Slim> = (key: string, now: Slim | undefined, was: Slim | undefined) => void;

/**
 * What is known of the objects of one selection. Whatever comes twice, late or out of order: of each object only a newer
 * version counts, and a version that is gone stays gone.
 */
export type WatchStore<Slim> = Readonly<{
  held: ReadonlyMap<string, Held<Slim>>;
  /** Out of a list. `slim` undefined: it is left out. */
  take(object: KubeObject, slim: Slim | undefined): void;
  /** Out of a watch: news only where it is later than the last whole list. */
  change(object: KubeObject, slim: Slim | undefined): void;
  drop(object: KubeObject): void;
  /** A whole list was taken: what is not among `keys` and not newer than the list is gone. */
  keepOnly(keys: ReadonlySet<string>, listVersion: string): void;
  clear(): void;
}>;

export function createWatchStore<Slim>(changed: Changed<Slim>): WatchStore<Slim> {
  const held = new Map<string, Held<Slim>>();
  /** Version of its end, by uid: an object that only left the selection may come back with a later one. */
  const gone = new Map<string, string>();

  /** Version of the last whole list. */
  let floor = "0";

  function bury(uid: string, version: string): void {
    gone.delete(uid);
    gone.set(uid, version);
    const oldest = gone.size > mostGone ? gone.keys().next().value : undefined;
    if (oldest !== undefined) gone.delete(oldest);
  }

  function remove(key: string, had: Held<Slim>, version: string): void {
    bury(had.uid, version);
    held.delete(key);
    changed(key, undefined, had.slim);
  }

  function take(object: KubeObject, slim: Slim | undefined): void {
    const { uid, resourceVersion: version } = object.metadata;
    const key = keyOf(object.metadata);
    const had = held.get(key);
    const before = had?.version ?? gone.get(uid);
    if (before !== undefined && !isOlder(before, version)) return;
    if (had && (had.uid !== uid || slim === undefined)) remove(key, had, version);
    if (slim === undefined) return;
    held.set(key, { uid, version, slim });
    changed(key, slim, had?.uid === uid ? had.slim : undefined);
  }

  return {
    held,
    take,
    change(object, slim) {
      if (isOlder(floor, object.metadata.resourceVersion)) take(object, slim);
    },
    drop(object) {
      const { uid, resourceVersion: version } = object.metadata;
      const key = keyOf(object.metadata);
      const had = held.get(key);
      if (had?.uid !== uid) return bury(uid, version);
      if (!isOlder(version, had.version)) remove(key, had, version);
    },
    keepOnly(keys, listVersion) {
      floor = listVersion;
      for (const [key, had] of held) {
        if (!keys.has(key) && !isOlder(listVersion, had.version)) remove(key, had, listVersion);
      }
    },
    clear() {
      floor = "0";
      gone.clear();
      for (const [key, had] of held) {
        held.delete(key);
        changed(key, undefined, had.slim);
      }
    },
  };
}
