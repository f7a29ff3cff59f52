import type { Member, Pool } from "../core/spec.ts";
import { plural } from "../core/words.ts";
import { conflictEnds, type Foreign, inConflict } from "./foreign.ts";
import type { SeenPod } from "./pods.ts";
import type { ScaleObject } from "./scale-object.ts";
import type { TargetTrouble } from "./target.ts";

/** All that the pool of a target follows from. Times are monotonic ms. */
export type ScaleState = Readonly<{
  kind: string;
  object: ScaleObject;
  /** The size in force: the object's, or one that we have written and that the watch has not shown yet. */
  wanted: number;
  changedAt: number;
  pods: ReadonlyMap<string, SeenPod>;
  foreign: Foreign;
  /** Until then the API server counts as too slow for the removal of named pods. */
  slowUntil?: number;
  now: number;
}>;

/** So long a pod may wait for a node: clusters that make nodes take some minutes. ms. */
export const placementMs = 300_000;
/** So long pods may be missing that nobody says why are not made, ms. */
export const missingMs = 15_000;

/** Those that count as replicas. */
export const stayingOf = (pods: ReadonlyMap<string, SeenPod>): readonly SeenPod[] =>
  [...pods.values()].filter(({ leaving, over }) => !leaving && !over);

export function poolOf(state: ScaleState): Pool {
  const { object, wanted, changedAt, pods } = state;
  const living = [...pods.values()].filter(({ over }) => !over);
  const staying = living.filter(({ leaving }) => !leaving);
  const limit = limitOf(state, staying);
  const graceMs = Math.min(...staying.map(({ graceMs = Number.POSITIVE_INFINITY }) => graceMs));
  return {
    uid: object.uid,
    wanted,
    existing: staying.length,
    ready: staying.filter(({ ready }) => ready).length,
    leaving: living.length - staying.length,
    changedAt,
    members: inTurn(state.kind, living).map(memberOf),
    removal: removalOf(state, staying),
    ...(Number.isFinite(graceMs) && { graceMs }),
    ...(limit && { limit }),
  };
}

/** StatefulSets remove the highest ordinal first; elsewhere the youngest should go first. */
function inTurn(kind: string, pods: readonly SeenPod[]): readonly SeenPod[] {
  if (kind === "StatefulSet") return pods.toSorted((a, b) => ordinalOf(b.name) - ordinalOf(a.name));
  return pods.toSorted((a, b) => b.createdAt - a.createdAt);
}

const ordinalOf = (name: string): number => Number(/-(\d+)$/.exec(name)?.[1] ?? -1);

function memberOf({ name, aliases, up, leaving, seenAt }: SeenPod): Member {
  return { id: name, ready: up, leaving, startedAt: seenAt, ...(aliases.length > 0 && { aliases }) };
}

/**
 * | target                                          | who can go                                          |
 * |-------------------------------------------------|-----------------------------------------------------|
 * | somebody sets its size again and again          | none: it is only raised                             |
 * | StatefulSet                                     | the highest ordinals                                |
 * | a rollout is under way                          | any: all must be idle                               |
 * | the API server is slow                          | the same: who is deleted would be replaced          |
 * | a ReplicaSet has pods that are still to go      | none: it chooses others for those that we take      |
 * | its pods belong to one ReplicaSet, or to none yet | whoever is named (see `scale-lower.ts`)           |
 * | any other                                       | any                                                 |
 */
function removalOf(
  { kind, object, wanted, foreign, slowUntil = 0, now }: ScaleState,
  staying: readonly SeenPod[],
): NonNullable<Pool["removal"]> {
  if (inConflict(foreign, now)) return { who: "none", because: `${foreign.by} sets the size too` };
  if (kind === "StatefulSet") return { who: "first" };
  if (isRolling(object, staying)) return { who: "any", because: rollout };
  const replicaSet = kind === "Deployment" || kind === "ReplicaSet" || staying[0]?.owner?.kind === "ReplicaSet";
  if (replicaSet && slowUntil > now) return { who: "any", because: slow };
  const surplus = staying.length - wanted;
  if (replicaSet && surplus > 0)
    return { who: "none", because: `${plural(surplus, "pod")} too many ${surplus === 1 ? "is" : "are"} still to go` };
  return { who: replicaSet ? "named" : "any" };
}

const slow = "the API server answers too slowly for taking those only that are idle";

const rollout = "a rollout is under way";

/** Its status tells of old pods, or they belong to several ReplicaSets. */
const isRolling = (object: ScaleObject, staying: readonly SeenPod[]): boolean =>
  object.rolling || new Set(staying.map(({ owner }) => owner?.uid)).size > 1;

function limitOf(state: ScaleState, staying: readonly SeenPod[]): Pool["limit"] {
  const { foreign, wanted } = state;
  if (foreign.zeroBy !== undefined && wanted === 0) {
    return { most: 0, reason: "Paused", because: `set to zero by ${foreign.zeroBy}: raise it to go on` };
  }
  const trouble = failing(state, staying);
  const ready = staying.filter((pod) => pod.ready).length;
  if (trouble === undefined || trouble.pods <= ready) return undefined;
  return { most: Math.max(1, 2 * ready), reason: "WorkersFailing", because: trouble.message };
}

/** When something follows from time alone: pods that nobody makes or places, the end of a conflict. */
export function wakeAt({ pods, wanted, changedAt, foreign, slowUntil, now }: ScaleState): number | undefined {
  const staying = stayingOf(pods);
  const times = placementEnds(staying);
  if (staying.length < wanted) times.push(changedAt + missingMs);
  if (foreign.reversals.length > 0) times.push(conflictEnds(foreign));
  if (slowUntil !== undefined) times.push(slowUntil);
  const next = Math.min(...times.filter((at) => at > now));
  return Number.isFinite(next) ? next : undefined;
}

/** What is wrong with the target, the gravest first; without the time since when. */
export function troubleOf(state: ScaleState): Pick<TargetTrouble, "reason" | "message"> | undefined {
  const { object, foreign, now } = state;
  if (inConflict(foreign, now)) {
    const message = `${foreign.by} has turned back the size three times in 10 min: only one of both may set it`;
    return { reason: "Conflict", message };
  }
  const staying = stayingOf(state.pods);
  const trouble = failing(state, staying);
  if (trouble !== undefined) return { reason: trouble.reason, message: trouble.message };
  return isRolling(object, staying) ? { reason: "RollingOut", message: rollout } : undefined;
}

export type Trouble = Pick<TargetTrouble, "message"> & Readonly<{ reason: "CrashLooping" | "CannotStart"; pods: number }>;

/** How many pods cannot run, and why the first of them cannot. */
function failing(state: ScaleState, staying: readonly SeenPod[]): Trouble | undefined {
  const { object, wanted, changedAt, now } = state;
  const missing = Math.max(0, wanted - staying.length);
  const failed = failingPods(staying, now);
  if (failed !== undefined) return { ...failed, pods: failed.pods + (object.failure === undefined ? 0 : missing) };
  if (missing === 0) return undefined;
  // Without a word from its controller: one that brings its pods up one by one waits for those before.
  const stuck = staying.every(({ ready }) => ready) && now - changedAt >= missingMs;
  if (object.failure === undefined && !stuck) return undefined;
  const why = object.failure ?? "its controller makes none, and does not say why";
  return { reason: "CannotStart", message: `${missing} of ${plural(wanted, "pod")} are missing: ${why}`, pods: missing };
}

/** When {@link failingPods} no longer bears with those that wait for a node. */
export const placementEnds = (pods: readonly SeenPod[]): number[] =>
  pods.filter(({ failing }) => failing?.reason === "Unschedulable").map(({ seenAt }) => seenAt + placementMs);

/** How many of these cannot run, and why the first of them cannot. A pod may wait for a node for a while. */
export function failingPods(pods: readonly SeenPod[], now: number): Trouble | undefined {
  const failed = pods.filter(({ failing, seenAt }) =>
    failing?.reason === "Unschedulable" ? now - seenAt >= placementMs : failing !== undefined,
  );
  const [first] = failed.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  if (first?.failing === undefined) return undefined;
  const reason = first.failing.reason === "CrashLooping" ? "CrashLooping" : "CannotStart";
  const message = `${failed.length} of ${plural(pods.length, "pod")} cannot run: pod ${first.name}, ${first.failing.message}`;
  return { reason, message, pods: failed.length };
}
