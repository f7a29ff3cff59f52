import type { Kube, KubeObject } from "../kube/kube.ts";
import { pagesOf } from "../kube/pages.ts";
import type { WatchList } from "../kube/watch-list.ts";
import { instanceOf } from "../targets/job-draft.ts";
import { removeJob } from "../targets/job-make.ts";
import { ownerKey, slimJob } from "../targets/job-object.ts";
import { jobKind, ourJobs } from "../targets/watches.ts";
import type { WorkerObject } from "./declared.ts";

export type OrphansHouse = Readonly<{
  /** With the fence of the leader. */
  kube: Kube;
  namespaces?: readonly string[] | undefined;
  /** All that are declared. */
  workers: WatchList<WorkerObject>;
  mayWrite: () => boolean;
  failed: (doing: string, cause: unknown) => void;
}>;

/** How soon after a ScaledWorker with Jobs has gone, how often while some of its Jobs run, and how often anyway, ms. */
const soonMs = 2_000;
const againMs = 30_000;
const everyMs = 10 * 60_000;

/**
 * Jobs outlive their ScaledWorker until they have ended; then somebody has to remove them. It does so until it is disposed of.
 */
export function removeOrphans({ kube, namespaces, workers, mayWrite, failed }: OrphansHouse): AsyncDisposable {
  const stopped = new AbortController();
  let looking: Promise<void> | undefined;
  let soon: NodeJS.Timeout | undefined;
  let left = 0;

  const look = async (namespace: string | undefined) => {
    const selection = { kind: jobKind, labelSelector: ourJobs, ...(namespace !== undefined && { namespace }) };
    for await (const { items } of pagesOf<KubeObject>(kube, selection, stopped.signal)) {
      // Anew for each page: one that is made again meanwhile has the Jobs of the one before.
      const there = known();
      for (const object of items) await consider(object, there);
      if (!mayWrite()) return;
    }
  };

  const consider = async (object: KubeObject, there: ReadonlySet<string>) => {
    const { namespace = "", name, uid } = object.metadata;
    const { owner, state, leaving } = slimJob(object);
    if (owner === undefined || !mayWrite() || there.has(owner)) return;
    if (state === "open") left += 1;
    else if (!leaving) await removeJob(kube, { namespace, name, uid });
  };

  const known = () =>
    new Set([...workers.entries()].map(([, { parsed }]) => ownerKey(parsed.namespace, instanceOf(parsed.name))));

  const ask = () => {
    if (looking !== undefined || !mayWrite() || !workers.isSynced()) return;
    left = 0;
    looking = Promise.all((namespaces ?? [undefined]).map(look))
      .then(() => {})
      .catch((cause: unknown) => {
        if (!stopped.signal.aborted) failed("removing Jobs whose ScaledWorker is gone", cause);
      })
      .finally(() => {
        looking = undefined;
        if (left > 0 && !stopped.signal.aborted) askIn(againMs);
      });
  };

  const askIn = (ms: number) => {
    clearTimeout(soon);
    soon = setTimeout(ask, ms);
    soon.unref();
  };

  const timer = setInterval(ask, everyMs);
  timer.unref();
  const stop = workers.onChange((_, now, was) => {
    if (now !== undefined || was?.parsed.worker?.target.kind !== "job") return;
    askIn(soonMs);
  });
  return {
    async [Symbol.asyncDispose]() {
      stop();
      stopped.abort();
      clearInterval(timer);
      clearTimeout(soon);
      await looking;
    },
  };
}
