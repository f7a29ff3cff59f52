import type { ScaledWorker } from "../api/resolve.ts";
import type { ScaledWorkerStatus } from "../api/status.ts";
import type { Kube } from "../kube/kube.ts";
import { createScaleTarget, type ScaleTarget } from "../targets/scale.ts";
import type { Target, TargetNotice } from "../targets/target.ts";
import { createTargetWatches } from "../targets/watches.ts";
import { scaledWorkerKind } from "./kinds.ts";

export type TargetsHouse = Readonly<{
  /** With the fence of the leader. */
  kube: Kube;
  /** Those that may be seen; absent: all. */
  namespaces?: readonly string[] | undefined;
  /** Monotonic ms. */
  clock: () => number;
  /** The status as the API server has it, by worker. */
  status: (key: string) => ScaledWorkerStatus | undefined;
  /** Pool or trouble of this worker's target is different. */
  changed: (key: string) => void;
  notice: (key: string, notice: TargetNotice) => void;
  onProblem: (error: unknown) => void;
}>;

/** Opens what ScaledWorkers of a cluster scale. */
export interface Targets extends AsyncDisposable {
  open(worker: ScaledWorker): Target;
  /** What of the target of this worker must outlive this process; undefined while it is not known. */
  memory(key: string): ScaledWorkerStatus["size"];
}

export function createTargets(house: TargetsHouse): Targets {
  const { kube, clock, namespaces, onProblem } = house;
  const watches = createTargetWatches({ kube, clock, onProblem, ...(namespaces && { namespaces }) });
  const scales = new Map<string, ScaleTarget>();

  const openScale = (
    { key, namespace, name }: ScaledWorker,
    ref: Readonly<{ apiVersion: string; kind: string; name: string }>,
  ) => {
    const size = house.status(key)?.size;
    const target = createScaleTarget({
      ref: { ...ref, namespace },
      kube,
      watches,
      ...(size && { memory: { replicas: size.replicas, ...(size.zeroBy !== undefined && { zeroBy: size.zeroBy }) } }),
      beforeZero: async (memory) => {
        const body = { status: { size: memory } };
        await kube.patch(
          { kind: scaledWorkerKind, namespace, name },
          { type: "merge", body },
          { subresource: "status", lane: "lower" },
        );
      },
      notice: (notice) => house.notice(key, notice),
    });
    scales.set(key, target);
    return target;
  };

  return {
    open(worker) {
      const { key, target: spec } = worker;
      if (spec.kind !== "scale")
        throw new Error(`\`spec.target\` must have \`kind\` and \`name\`; a \`${spec.kind}\` is none of a cluster`);
      const target = openScale(worker, spec.ref);
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
    memory(key) {
      const { replicas, zeroBy } = scales.get(key)?.memory() ?? {};
      return replicas === undefined ? undefined : { replicas, ...(zeroBy !== undefined && { zeroBy }) };
    },
    [Symbol.asyncDispose]: () => watches[Symbol.asyncDispose](),
  };
}
