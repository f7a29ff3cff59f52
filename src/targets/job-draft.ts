import { createHash } from "node:crypto";
import type { JobTarget } from "../api/resolve-target.ts";
import type { Draft } from "../kube/kube.ts";
import { templateLabel, workerLabel } from "./job-object.ts";

/** The ScaledWorker that Jobs are made for. */
export type JobOwner = Readonly<{ namespace: string; name: string; uid: string }>;

/**
 * One place for a Job, and how many Jobs have had it: the name of a Job follows from both, so that a Job which is asked
 * for twice (its first answer was lost, or an old sight did not show it) is made once.
 */
export type Slot = Readonly<{ slot: number; turn: number }>;

/** A name of a Job goes into a label of its pods: no more than 63 characters. */
const longest = 63;

export function jobName(worker: string, { slot, turn }: Slot): string {
  const end = `-${slot}-${turn}`;
  return `${shortened(worker, longest - end.length)}${end}`;
}

export function slotOf(name: string): Slot | undefined {
  const [, slot, turn] = /-(\d+)-(\d+)$/.exec(name) ?? [];
  return slot === undefined || turn === undefined ? undefined : { slot: Number(slot), turn: Number(turn) };
}

/** The value of the label by which a Job of this ScaledWorker is known. */
export const instanceOf = (worker: string): string => shortened(worker, longest);

/** The name as it is where it fits; else its beginning and a digest of the whole. */
export function shortened(name: string, most: number): string {
  if (name.length <= most) return name;
  const digest = createHash("sha256").update(name).digest("hex").slice(0, 8);
  return `${name.slice(0, most - 9).replace(/[-.]+$/, "")}-${digest}`;
}

/** One Job, as it is sent. */
export function jobDraft(target: JobTarget, owner: JobOwner, slot: Slot): Draft & Readonly<{ spec: object }> {
  const { template, templateDigest } = target;
  const { namespace, name } = owner;
  const instance = instanceOf(name);
  const common = {
    "app.kubernetes.io/name": instance,
    "app.kubernetes.io/instance": instance,
    "app.kubernetes.io/component": "worker",
    "app.kubernetes.io/part-of": instance,
  };
  const ours = { "app.kubernetes.io/managed-by": "worktide", [workerLabel]: instance, [templateLabel]: templateDigest };
  const pod = template.spec["template"] as Readonly<{ metadata?: Readonly<{ labels?: object }> }>;
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: {
      name: jobName(name, slot),
      namespace,
      labels: { ...common, ...template.metadata.labels, ...ours },
      annotations: template.metadata.annotations,
    },
    spec: {
      ...template.spec,
      template: { ...pod, metadata: { ...pod.metadata, labels: { ...common, ...pod.metadata?.labels, ...ours } } },
    },
  };
}
