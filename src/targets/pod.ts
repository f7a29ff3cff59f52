import type { ObjectCondition, ObjectMeta } from "../kube/kube.ts";
import type { Labels } from "./selector.ts";

/** What is used of a pod. */
export type Pod = Readonly<{
  uid: string;
  name: string;
  resourceVersion: string;
  labels: Labels;
  /** Its controller: the ReplicaSet, for a Deployment. */
  owner?: Readonly<{ kind: string; uid: string }>;
  /** Other names of its host: see {@link import("../core/spec.ts").Member.aliases}. */
  aliases: readonly string[];
  /** The Ready condition. */
  ready: boolean;
  /** A container runs, or nobody knows since its node is silent: it may have a job in hand. A failing probe says nothing of that. */
  up: boolean;
  /** Told to stop. */
  leaving: boolean;
  /** Succeeded or failed for good: it is no replica any more, and holds no job. */
  over: boolean;
  /** ms since 1970. */
  createdAt: number;
  /** How long it may take to stop, ms. */
  graceMs?: number;
  /** Why it does not run, where the kubelet or the scheduler says so. */
  failing?: Failing;
}>;

export type Failing = Readonly<{ reason: "CrashLooping" | "CannotStart" | "Unschedulable"; message: string; since: number }>;

type ContainerStatus = Readonly<{
  name: string;
  state?: Readonly<{ waiting?: { reason?: string; message?: string }; running?: object }>;
}>;

type PodObject = Readonly<{
  metadata: ObjectMeta;
  spec?: Readonly<{ hostname?: string; hostNetwork?: boolean; terminationGracePeriodSeconds?: number }>;
  status?: Readonly<{
    phase?: string;
    podIP?: string;
    podIPs?: readonly Readonly<{ ip?: string }>[];
    conditions?: readonly ObjectCondition[];
    containerStatuses?: readonly ContainerStatus[];
    initContainerStatuses?: readonly ContainerStatus[];
  }>;
}>;

/** Waiting for these is no failure. */
const underWay = new Set(["ContainerCreating", "PodInitializing"]);

/** Cuts a pod down to what is used of it. */
export function slimPod(object: object): Pod {
  const { metadata, spec = {}, status = {} } = object as PodObject;
  const createdAt = Date.parse(metadata.creationTimestamp ?? "") || 0;
  const owner = metadata.ownerReferences?.find(({ controller }) => controller);
  const failing = failingOf(status, createdAt);
  const running = status.containerStatuses?.some(({ state }) => state?.running !== undefined) ?? status.phase === "Running";
  return {
    uid: metadata.uid,
    name: metadata.name,
    resourceVersion: metadata.resourceVersion,
    labels: metadata.labels ?? {},
    ...(owner && { owner: { kind: owner.kind, uid: owner.uid } }),
    aliases: aliasesOf(metadata.name, spec, status),
    ready: status.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false,
    up: running || status.phase === "Unknown",
    leaving: metadata.deletionTimestamp !== undefined,
    over: status.phase === "Succeeded" || status.phase === "Failed",
    createdAt,
    ...(spec.terminationGracePeriodSeconds !== undefined && { graceMs: spec.terminationGracePeriodSeconds * 1000 }),
    ...(failing && { failing }),
  };
}

/** A host name is cut at 63 characters. The address of the node tells nothing of one pod. */
function aliasesOf(name: string, spec: NonNullable<PodObject["spec"]>, status: NonNullable<PodObject["status"]>) {
  if (spec.hostNetwork === true) return [];
  const host = spec.hostname ?? name.slice(0, 63).replace(/[-.]+$/, "");
  const ips = status.podIPs?.flatMap(({ ip }) => ip ?? []) ?? [];
  const all = [host, ...(status.podIP === undefined ? [] : [status.podIP]), ...ips];
  return [...new Set(all)].filter((alias) => alias !== name);
}

function failingOf(status: NonNullable<PodObject["status"]>, createdAt: number): Failing | undefined {
  const containers = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])];
  for (const { name, state } of containers) {
    const { reason, message } = state?.waiting ?? {};
    if (reason === undefined || underWay.has(reason)) continue;
    const said = message === undefined || message === "" ? reason : `${reason}: ${brief(message)}`;
    const kind = reason === "CrashLoopBackOff" ? "CrashLooping" : "CannotStart";
    return { reason: kind, message: `container ${name}: ${said}`, since: createdAt };
  }
  const placed = status.conditions?.find(({ type }) => type === "PodScheduled");
  if (placed?.status !== "False" || placed.reason !== "Unschedulable") return undefined;
  const since = Date.parse(placed.lastTransitionTime ?? "") || createdAt;
  return { reason: "Unschedulable", message: `no node takes it: ${brief(placed.message ?? "Unschedulable")}`, since };
}

/** Messages of the kubelet repeat whole image names and stacks. */
export const brief = (message: string): string => {
  const line = message.split("\n", 1)[0] ?? "";
  return line.length > 200 ? `${line.slice(0, 199)}…` : line;
};
