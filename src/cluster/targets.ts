import type { ScaledWorker } from "../api/resolve.ts";
import type { JobTarget } from "../api/resolve-target.ts";
import type { ScaledWorkerStatus } from "../api/status.ts";
import type { Rules } from "../core/spec.ts";
import type { Fence, Kube } from "../kube/kube.ts";
import { createJobTarget } from "../targets/job.ts";
import type { Pods } from "../targets/pods.ts";
import { createScaleTarget, type ScaleTarget } from "../targets/scale.ts";
import type { Target, TargetNotice } from "../targets/target.ts";
import { createTargetWatches } from "../targets/watches.ts";
import { scaledWorkerKind } from "./kinds.ts";

export type TargetsHouse = Readonly<{
  /** With the fence of the leader. */
  kube: Kube;
  fence: Fence;
  /** Those that may be seen; absent: all. */
  namespaces?: readonly string[] | undefined;
  /** Monotonic ms. */
  clock: () => number;
  /** The status as the API server has it, by worker. */
  status: (key: string) => ScaledWorkerStatus | undefined;
  /** Pool or trouble of this worker's target is different. */
  changed: (key: string) => void;
  notice: (key: string, notice: TargetNotice) => void;
  failed: (doing: string, cause: unknown) => void;
  onProblem: (error: unknown) => void;
}>;

/** Opens what ScaledWorkers of a cluster scale. */
export interface Targets extends AsyncDisposable {
  /** @param rules Those in force just now. */
  open(worker: ScaledWorker, rules: () => Rules): Target;
  /** The pods of a namespace, out of a watch that all share. */
  pods(namespace: string): Pods;
  /** What of the target of this worker must outlive this process; undefined while it is not known. */
  memory(key: string): ScaledWorkerStatus["size"];
}

export function createTargets(house: TargetsHouse): Targets {
  const { kube, fence, clock, namespaces, onProblem } = house;
  const watches = createTargetWatches({ kube, clock, onProblem, ...(namespaces && { namespaces }) });
  const scales = new Map<string, ScaleTarget>();

  const openScale = (
    { key, namespace, name }: ScaledWorker,
    ref: Readonly<{ apiVersion: string; kind: string; name: string }>,
    rules: () => Rules,
  ) => {
    const target = createScaleTarget({
      ref: { ...ref, namespace },
      kube,
      watches,
      memory: () => house.status(key)?.size,
      beforeZero: async (memory) => {
        const body = { status: { size: { ...memory, zeroBy: null } } };
        await kube.patch(
          { kind: scaledWorkerKind, namespace, name },
          { type: "merge", body },
          { subresource: "status", lane: "lower" },
        );
      },
      notice: (notice) => house.notice(key, notice),
      observes: () => rules().mode === "Observe",
    });
    scales.set(key, target);
    return target;
  };

  const openJobs = ({ namespace, name, uid = "" }: ScaledWorker, target: JobTarget) =>
    createJobTarget({ target, owner: { namespace, name, uid }, kube, watches, fence, failed: house.failed });

  const openTarget = (worker: ScaledWorker, rules: () => Rules): Target => {
    const { target } = worker;
    if (target.kind === "scale") return openScale(worker, target.ref, rules);
    if (target.kind === "job") return openJobs(worker, target);
    throw new Error("`spec.target.process` must not be used in a cluster");
  };

  return {
    open(worker, rules) {
      const { key } = worker;
      const target = openTarget(worker, rules);
      const stop = target.onChange(() => house.changed(key));
      return {
        ...target,
        async [Symbol.asyncDispose]() {
          stop();
          if (scales.get(key) === target) scales.delete(key);
          await target[Symbol.asyncDispose]();
        },
      };
    },
    memory: (key) => scales.get(key)?.memory(),
    pods: watches.pods,
    [Symbol.asyncDispose]: () => watches[Symbol.asyncDispose](),
  };
}
