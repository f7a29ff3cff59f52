import type { ParsedObject } from "../api/object.ts";
import { isKubeError, type Kube } from "../kube/kube.ts";
import type { WatchList } from "../kube/watch-list.ts";
import type { WorkerObject } from "./declared.ts";
import { scaledWorkerKind } from "./kinds.ts";

/** What a ScaledWorker carries that gives its target back the size that it had: `onDelete: Restore` alone sets it. */
const restoreFinalizer = "worktide.dev/restore";

export type RestoreHouse = Readonly<{
  /** With the fence of the leader. */
  kube: Kube;
  workers: WatchList<WorkerObject>;
  /** The size that the target of this worker had before us. */
  original: (key: string) => number | undefined;
  mayWrite: () => boolean;
  /** It was given up: the ScaledWorker goes, and its target keeps its size. */
  gaveUp: (key: string, reason: string) => void;
}>;

/** How often those are looked at that wait, ms; and how long it is tried, by the wall clock. */
const lookMs = 2_000;
const patienceMs = 60_000;
const tries = 5;

/**
 * Sets the finalizer of those that want their target restored, and takes it away from the others. One that is deleted is
 * restored first; where that does not work for a minute it goes all the same: deletion must not hang.
 */
export function keepFinalizers({ kube, workers, original, mayWrite, gaveUp }: RestoreHouse): AsyncDisposable {
  const since = new Map<string, number>();
  let looking: Promise<void> | undefined;

  const look = async () => {
    for (const [key, { parsed }] of workers.entries()) {
      if (!mayWrite()) return;
      const has = parsed.finalizers.includes(restoreFinalizer);
      const wants = !parsed.deleting && parsed.worker?.onDelete === "Restore";
      if (has === wants) continue;
      if (wants) await setFinalizers(kube, parsed, [...parsed.finalizers, restoreFinalizer]);
      else if (!parsed.deleting || (await restored(key, parsed))) await setFinalizers(kube, parsed, without(parsed.finalizers));
    }
  };

  /** Whether it may go. */
  const restored = async (key: string, { worker, namespace }: ParsedObject): Promise<boolean> => {
    const replicas = original(key);
    if (worker?.target.kind !== "scale" || replicas === undefined || worker.rules.mode === "Observe") return true;
    const began = since.get(key) ?? Date.now();
    since.set(key, began);
    try {
      await setSize(kube, { ...worker.target.ref, namespace }, replicas);
    } catch (error) {
      if (!isKubeError(error)) throw error;
      if (Date.now() - began < patienceMs) return false;
      gaveUp(key, error.message);
    }
    since.delete(key);
    return true;
  };

  const timer = setInterval(() => {
    looking ??= look()
      .catch(() => {}) // tried again at the next look
      .finally(() => {
        looking = undefined;
      });
  }, lookMs);
  timer.unref();
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await looking;
    },
  };
}

const without = (finalizers: readonly string[]) => finalizers.filter((each) => each !== restoreFinalizer);

/** By patch, and only while nobody else changed the list: the next look has the newer one. */
async function setFinalizers(kube: Kube, { namespace, name, finalizers }: ParsedObject, next: readonly string[]) {
  const path = "/metadata/finalizers";
  const body =
    finalizers.length === 0
      ? [{ op: "add", path, value: next } as const]
      : [{ op: "test", path, value: finalizers } as const, { op: "replace", path, value: next } as const];
  await kube.patch({ kind: scaledWorkerKind, namespace, name }, { type: "json", body }, { lane: "lower" });
}

async function setSize(
  kube: Kube,
  ref: Readonly<{ apiVersion: string; kind: string; name: string; namespace: string }>,
  replicas: number,
): Promise<void> {
  const kind = (await kube.discover(ref.apiVersion, ref.kind))?.kind;
  if (kind === undefined) return;
  for (let attempt = 1; ; attempt++) {
    try {
      const { metadata, spec } = await kube.getScale({ ...ref, kind });
      if ((spec.replicas ?? 0) !== replicas) {
        await kube.putScale({ ...ref, kind }, { replicas, resourceVersion: metadata.resourceVersion });
      }
      return;
    } catch (error) {
      if (isKubeError(error, "NotFound")) return;
      if (!isKubeError(error, "Conflict") || attempt === tries) throw error;
    }
  }
}
