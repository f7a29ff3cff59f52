import type { ObjectCondition, ObjectMeta } from "../kube/kube.ts";
import { brief } from "./pod.ts";

/** What is used of a Job that we made. */
export type JobObject = Readonly<{
  uid: string;
  name: string;
  resourceVersion: string;
  /** Of the ScaledWorker that it was made for: see {@link ownerKey}. */
  owner?: string;
  /** Digest of the template that it was made from. */
  template?: string;
  /** Succeeded, failed for good, or still to be done. */
  state: "open" | "succeeded" | "failed";
  /** Its pod has been ready: it has taken its work. */
  begun: boolean;
  /** Being deleted, or its end is decided and its pod has not gone yet. */
  leaving: boolean;
  /** ms since 1970. */
  createdAt: number;
  endedAt?: number;
  /** Why it failed. */
  failure?: string;
}>;

type Job = Readonly<{
  metadata: ObjectMeta;
  status?: Readonly<{
    ready?: number;
    succeeded?: number;
    failed?: number;
    completionTime?: string;
    conditions?: readonly ObjectCondition[];
  }>;
}>;

/** Labels by which a Job of ours is known. */
export const workerLabel = "worktide.dev/scaled-worker";
export const templateLabel = "worktide.dev/template";

/**
 * Whose a Job is follows from its namespace and this label, not from an owner reference: the garbage collector would end
 * what runs together with the ScaledWorker. One that is made again under its name has the Jobs of the one before.
 */
export const ownerKey = (namespace: string, label: string): string => `${namespace}/${label}`;

/** Cuts a Job down to what is used of it. */
export function slimJob(object: object): JobObject {
  const { metadata, status = {} } = object as Job;
  const held = (...types: readonly string[]) =>
    status.conditions?.find(({ type, status }) => types.includes(type) && status === "True");
  const failed = held("Failed");
  const end = failed ?? held("Complete");
  const ending = end === undefined && held("FailureTarget", "SuccessCriteriaMet") !== undefined;
  const worker = metadata.labels?.[workerLabel];
  const owner = worker === undefined ? undefined : ownerKey(metadata.namespace ?? "", worker);
  const template = metadata.labels?.[templateLabel];
  return {
    uid: metadata.uid,
    name: metadata.name,
    resourceVersion: metadata.resourceVersion,
    ...(owner !== undefined && { owner }),
    ...(template !== undefined && { template }),
    state: failed ? "failed" : end ? "succeeded" : "open",
    begun: (status.ready ?? 0) > 0 || (status.failed ?? 0) > 0 || (status.succeeded ?? 0) > 0,
    leaving: ending || metadata.deletionTimestamp !== undefined,
    createdAt: Date.parse(metadata.creationTimestamp ?? "") || 0,
    ...(end && { endedAt: Date.parse(status.completionTime ?? end.lastTransitionTime ?? "") || 0 }),
    ...(failed && { failure: brief([failed.reason, failed.message].filter(Boolean).join(": ")) }),
  };
}
