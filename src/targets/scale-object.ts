import type { ManagedFields, ObjectMeta, Scale } from "../kube/kube.ts";
import { brief } from "./pod.ts";
import { type LabelSelector, parseSelector, type Selector, toSelector } from "./selector.ts";

/**
 * Who set `spec.replicas`, as far as the API server has noted it. Seen with 1.36: a 0 through `/scale` removes the note,
 * and later sizes through `/scale` bring none back.
 */
export type SetBy = Readonly<{
  manager: string;
  /** It owns the pod template or the selector too: the size stands in a manifest beside them. */
  declares: boolean;
}>;

/** What is used of an object with a `/scale` subresource. */
export type ScaleObject = Readonly<{
  uid: string;
  resourceVersion: string;
  generation: number;
  /** Wanted; absent where only `/scale` knows. */
  replicas?: number;
  selector?: Selector;
  /** How many pods its controller says that there are. */
  counted?: number;
  /** Being deleted. */
  leaving: boolean;
  /** Pods of an older template are there, or the template has not been looked at yet. */
  rolling: boolean;
  setBy?: SetBy;
  /** Why its controller cannot make pods: quota, an admission webhook. */
  failure?: string;
}>;

type Workload = Readonly<{
  metadata: ObjectMeta;
  spec?: Readonly<{ replicas?: number; selector?: LabelSelector }>;
  status?: Readonly<{
    replicas?: number;
    updatedReplicas?: number;
    currentRevision?: string;
    updateRevision?: string;
    conditions?: readonly Readonly<{ type?: string; status?: string; message?: string }>[];
  }>;
}>;

/** Kinds whose size and selector stand at a known place; of others only `/scale` is trusted. */
const builtIn = new Set(["Deployment", "StatefulSet", "ReplicaSet"]);
export const isBuiltIn = (apiVersion: string, kind: string): boolean => apiVersion === "apps/v1" && builtIn.has(kind);

/** Cuts a Deployment, StatefulSet or ReplicaSet down to what is used of it. */
export function slimWorkload(object: object): ScaleObject {
  const { spec = {}, status = {} } = object as Workload;
  const selector = toSelector(spec.selector ?? {});
  const failure = status.conditions?.find(({ type, status }) => type === "ReplicaFailure" && status === "True")?.message;
  return {
    ...slimCustom(object),
    replicas: spec.replicas ?? 1,
    ...(selector && { selector }),
    rolling: isRolling(status),
    ...(failure !== undefined && { failure: brief(failure) }),
  };
}

/** Any other kind: its size and selector are asked for at `/scale`. */
export function slimCustom(object: object): ScaleObject {
  const { metadata, status = {} } = object as Workload;
  const setBy = whoSet(metadata.managedFields);
  return {
    uid: metadata.uid,
    resourceVersion: metadata.resourceVersion,
    generation: metadata.generation ?? 0,
    leaving: metadata.deletionTimestamp !== undefined,
    rolling: isRolling(status),
    ...(typeof status.replicas === "number" && { counted: status.replicas }),
    ...(setBy && { setBy }),
  };
}

/** Fills in what `/scale` says. */
export function withScale(object: ScaleObject, { spec, status }: Scale): ScaleObject {
  const selector = status.selector === undefined ? undefined : parseSelector(status.selector);
  return { ...object, replicas: spec.replicas ?? 0, ...(selector && { selector }) };
}

/** StatefulSets tell by their revisions, all else by the number of updated pods, where they have one. */
function isRolling({ replicas = 0, updatedReplicas, currentRevision, updateRevision }: NonNullable<Workload["status"]>) {
  if (updateRevision !== undefined) return currentRevision !== updateRevision;
  return updatedReplicas !== undefined && updatedReplicas < replicas;
}

function whoSet(fields: readonly ManagedFields[] = []): SetBy | undefined {
  for (const { manager = "somebody", fieldsV1 } of fields) {
    const spec = (fieldsV1 as Readonly<{ "f:spec"?: Readonly<Record<string, unknown>> }> | undefined)?.["f:spec"];
    if (spec?.["f:replicas"] === undefined) continue;
    return { manager, declares: spec["f:template"] !== undefined || spec["f:selector"] !== undefined };
  }
  return undefined;
}
