import type { KubeError } from "../../src/kube/kube.ts";
import type { WatchList } from "../../src/kube/watch-list.ts";

/** A watch list that the test fills: for what is pure behind it. */
export function fakeWatch<Slim>() {
  const objects = new Map<string, Slim>();
  const listeners = new Set<(key: string, now: Slim | undefined, was: Slim | undefined) => void>();
  const ready = Promise.withResolvers<void>();
  let synced = false;
  let problem: KubeError | undefined;
  const list: WatchList<Slim> = {
    get: (key) => objects.get(key),
    entries: () => objects.entries(),
    get size() {
      return objects.size;
    },
    synced: ready.promise,
    isSynced: () => synced,
    ageMs: () => (synced ? 0 : undefined),
    problem: () => problem,
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async [Symbol.asyncDispose]() {},
  };
  return {
    list,
    sync() {
      synced = true;
      ready.resolve();
    },
    fail(cause: KubeError | undefined) {
      problem = cause;
    },
    put(key: string, now: Slim | undefined) {
      const was = objects.get(key);
      if (now === undefined) objects.delete(key);
      else objects.set(key, now);
      for (const listener of listeners) listener(key, now, was);
    },
  };
}
