import type { ParsedObject } from "../api/object.ts";
import type { ScaledWorker } from "../api/resolve.ts";
import type { ScaledWorkerStatus } from "../api/status.ts";
import { isKubeError, type Kube } from "../kube/kube.ts";
import type { WatchList } from "../kube/watch-list.ts";
import type { WorkerObject } from "./declared.ts";
import { scaledWorkerKind } from "./kinds.ts";

/** What a ScaledWorker carries that gives its target back the size that it had: `onDelete: Restore` alone sets it. */
const restoreFinalizer = "worktide.dev/restore";

export type RestoreHouse = Readonly<{
  /** With the fence of the leader. */
  kube: Kube;
  workers: Pick<WatchList<WorkerObject>, "entries" | "onChange">;
  mayWrite: () => boolean;
  /** It was given up: the ScaledWorker goes, and its target keeps its size. */
  gaveUp: (key: string, reason: string) => void;
  failed: (doing: string, cause: unknown) => void;
}>;

/** How often those are looked at again that wait, ms; and how long it is tried, by the wall clock. */
const lookMs = 2_000;
const patienceMs = 60_000;
const tries = 5;
/** So many are written at once. */
const atOnce = 20;

/**
 * Sets the finalizer of those that want their target restored, once its size is known, and takes it away from the others.
 * One that is deleted is restored first; where that does not work for a minute it goes all the same: deletion must not hang.
 */
export function keepFinalizers({ kube, workers, mayWrite, gaveUp, failed }: RestoreHouse): AsyncDisposable {
  /** Since when it is tried, by worker. */
  const since = new Map<string, number>();
  /** What was refused last, by worker: told once. */
  const told = new Map<string, string>();
  let looking: Promise<void> | undefined;

  const look = async () => {
    const due = [...workers.entries()].filter(([, worker]) => isDue(worker));
    for (let at = 0; at < due.length; at += atOnce) {
      // Each by itself: one that is refused holds up no other.
      await Promise.all(due.slice(at, at + atOnce).map(([key, worker]) => keep(key, worker)));
    }
  };

  const keep = async (key: string, worker: WorkerObject) => {
    const { parsed } = worker;
    try {
      if (!mayWrite() || (parsed.deleting && !(await restored(key, worker)))) return;
      await setFinalizers(kube, parsed, wants(worker) ? [...parsed.finalizers, restoreFinalizer] : without(parsed.finalizers));
      told.delete(key);
    } catch (cause) {
      // Somebody changed the list, or it is gone, or another one leads: the next look knows.
      if (isKubeError(cause, "Invalid", "NotFound", "NotLeader") || told.get(key) === String(cause)) return;
      told.set(key, String(cause));
      failed(`keeping the finalizer of ${key}`, cause);
    }
  };

  /** Whether it may go. */
  const restored = async (key: string, worker: WorkerObject): Promise<boolean> => {
    if (worker.parsed.worker === undefined) {
      gaveUp(key, "its spec has an error");
      return true;
    }
    const began = since.get(key) ?? Date.now();
    since.set(key, began);
    try {
      await giveBack(kube, worker.parsed.worker, worker.status.size);
    } catch (error) {
      if (isKubeError(error, "NotLeader")) return false;
      if (Date.now() - began < patienceMs) return false;
      gaveUp(key, error instanceof Error ? error.message : String(error));
    }
    since.delete(key);
    return true;
  };

  const begin = () => {
    if (!mayWrite()) return;
    looking ??= look().finally(() => {
      looking = undefined;
    });
  };
  // At once, for whoever is deleted before it has the finalizer gets nothing back; and again, where that was in vain.
  const stop = workers.onChange((_, now) => {
    if (now !== undefined && isDue(now)) begin();
  });
  const timer = setInterval(begin, lookMs);
  timer.unref();
  return {
    async [Symbol.asyncDispose]() {
      stop();
      clearInterval(timer);
      await looking;
    },
  };
}

/** While a spec has an error nobody knows what it wants: what is, stays. */
const isDue = (worker: WorkerObject): boolean => {
  const { deleting, finalizers, worker: valid } = worker.parsed;
  return (deleting || valid !== undefined) && finalizers.includes(restoreFinalizer) !== wants(worker);
};

const wants = ({ parsed: { deleting, worker }, status }: WorkerObject): boolean =>
  !deleting && worker?.onDelete === "Restore" && status.size?.original !== undefined;

const without = (finalizers: readonly string[]) => finalizers.filter((each) => each !== restoreFinalizer);

/** By patch, and only while nobody else changed the list: the next look has the newer one. */
async function setFinalizers(kube: Kube, { namespace, name, finalizers }: ParsedObject, next: readonly string[]) {
  const path = "/metadata/finalizers";
  const body = [
    { op: "test", path, value: finalizers.length === 0 ? null : finalizers },
    { op: "add", path, value: next },
  ] as const;
  await kube.patch({ kind: scaledWorkerKind, namespace, name }, { type: "json", body }, { lane: "lower" });
}

/** Nothing is done where there is nothing to give back, or nobody to give it to: the target is gone, or another one has its name. */
async function giveBack(kube: Kube, worker: ScaledWorker, size: ScaledWorkerStatus["size"]): Promise<void> {
  const { target, namespace, rules } = worker;
  if (target.kind !== "scale" || size?.original === undefined || rules.mode === "Observe") return;
  const { apiVersion, kind, name } = target.ref;
  const found = await kube.discover(apiVersion, kind);
  if (found === undefined) return;
  const ref = { kind: found.kind, namespace, name };
  for (let attempt = 1; ; attempt++) {
    try {
      const { metadata, spec } = await kube.getScale(ref);
      if (metadata.uid !== size.uid || (spec.replicas ?? 0) === size.original) return;
      await kube.putScale(ref, { replicas: size.original, resourceVersion: metadata.resourceVersion });
      return;
    } catch (error) {
      if (isKubeError(error, "NotFound")) return;
      if (!isKubeError(error, "Conflict") || attempt === tries) throw error;
    }
  }
}
