import { isKubeError, isOlder, type Kube, type ObjectRef } from "../kube/kube.ts";
import type { PodSet, SeenPod } from "./pods.ts";
import { isBuiltIn, type ScaleObject, withScale } from "./scale-object.ts";
import type { TargetTrouble } from "./target.ts";
import type { TargetWatches } from "./watches.ts";

/** What a target with a `/scale` subresource looks like, from memory. */
export interface ScaleView {
  /** Where it is; undefined until its kind has been discovered. */
  ref(): ObjectRef | undefined;
  /** With size and selector; undefined while it is not known, not there, or on its way out. */
  object(): (ScaleObject & { replicas: number }) | undefined;
  pods(): ReadonlyMap<string, SeenPod>;
  /** Why {@link object} or its pods are not known. */
  problem(): Pick<TargetTrouble, "reason" | "message"> | undefined;
  close(): void;
}

/** `name`: of the object, in `namespace`. */
export type ScaleRef = Readonly<{ apiVersion: string; kind: string; namespace: string; name: string }>;

/** How often something is tried again that does not work: a kind that is not there, a `/scale` that fails, ms. */
const againMs = 30_000;

const noPods: ReadonlyMap<string, SeenPod> = new Map();

/** Follows one object and its pods. Nothing is asked per decision: all comes from shared watches. */
export function createScaleView(
  target: ScaleRef,
  house: Readonly<{ kube: Kube; watches: TargetWatches }>,
  changed: () => void,
): ScaleView {
  const { kube, watches } = house;
  const { apiVersion, kind, namespace, name } = target;
  const key = `${namespace}/${name}`;
  const what = `${kind} ${name}`;
  let found: { ref: ObjectRef; objects: ReturnType<TargetWatches["objects"]> } | undefined;
  let object: ScaleObject | undefined;
  let set: Readonly<{ of: string; podSet: PodSet; all: ReturnType<TargetWatches["pods"]> }> | undefined;
  let problem: Pick<TargetTrouble, "reason" | "message"> | undefined;
  let stopListening = () => {};
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  let asking = false;

  const later = (again: () => void) => {
    clearTimeout(timer);
    if (closed) return;
    timer = setTimeout(again, againMs);
    timer.unref();
  };

  const discover = async () => {
    try {
      const known = await kube.discover(apiVersion, kind);
      if (closed) return;
      if (known?.scale !== true) {
        const lacks = known === undefined ? "the API server has no such kind" : "its kind has no /scale";
        problem = { reason: "TargetNotScalable", message: `${what} (${apiVersion}) cannot be scaled: ${lacks}` };
        later(() => void discover());
        return changed();
      }
      begin({ kind: known.kind, namespace, name });
    } catch (cause) {
      problem = problemOf(`discovering ${apiVersion} ${kind}`, cause);
      later(() => void discover());
      changed();
    }
  };

  const begin = (ref: ObjectRef) => {
    const objects = watches.objects(ref.kind);
    found = { ref, objects };
    problem = undefined;
    stopListening = objects.on(key, look);
    void objects.list.synced.then(() => !closed && look());
    if (objects.list.isSynced()) look();
  };

  const look = () => {
    const next = found?.objects.list.get(key);
    if (next === undefined) {
      object = undefined;
      problem = undefined;
      return changed();
    }
    // A watch that begins anew at another API server may tell of the past.
    if (object?.uid === next.uid && isOlder(next.resourceVersion, object.resourceVersion)) return;
    if (isBuiltIn(apiVersion, kind)) return take(next);
    if (isNews(next)) void ask();
    else take({ ...object, ...next });
  };

  /** Of a kind whose size and selector only `/scale` tells: its selector may come with its first status. */
  const isNews = (next: ScaleObject) =>
    object?.uid !== next.uid || next.generation !== object.generation || next.generation === 0 || object.selector === undefined;

  /** Where only `/scale` knows the size: asked when the object has changed. */
  const ask = async (): Promise<void> => {
    const seen = found?.objects.list.get(key);
    if (asking || closed || found === undefined || seen === undefined) return;
    asking = true;
    try {
      const scale = await kube.getScale(found.ref);
      if (closed) return;
      if (scale.metadata.uid === seen.uid) take(withScale({ ...seen, resourceVersion: scale.metadata.resourceVersion }, scale));
    } catch (cause) {
      problem = problemOf(`reading the scale of ${what}`, cause);
      later(look);
      changed();
    } finally {
      asking = false;
    }
    // What came meanwhile was not looked at.
    const now = found.objects.list.get(key);
    if (problem?.reason !== "TargetUnreachable" && now !== undefined && now !== seen && isNews(now)) void ask();
  };

  const take = (next: ScaleObject) => {
    object = next;
    problem = undefined;
    if (next.selector === undefined) {
      problem = { reason: "TargetNotScalable", message: `${what} has no selector that its pods could be found by` };
    } else followPods(next);
    changed();
  };

  const followPods = ({ selector }: ScaleObject) => {
    const of = JSON.stringify(selector);
    if (selector === undefined || set?.of === of) return;
    set?.podSet.stop();
    const all = watches.pods(namespace);
    set = { of, all, podSet: all.follow(namespace, selector, changed) };
    if (!all.list.isSynced()) void all.list.synced.then(() => !closed && changed());
  };

  const seen = () => {
    if (problem !== undefined || object?.replicas === undefined || object.leaving) return undefined;
    return set?.all.list.isSynced() ? { ...object, replicas: object.replicas } : undefined;
  };

  void discover();
  return {
    ref: () => found?.ref,
    object: seen,
    pods: () => set?.podSet.pods ?? noPods,
    problem: () => {
      if (problem !== undefined) return problem;
      for (const list of [found?.objects.list, set?.all.list]) {
        const cause = list?.problem();
        // A kind that is gone may come back: what was known of it is kept.
        if (cause?.status === 403 || cause?.status === 404 || (cause !== undefined && !list?.isSynced()))
          return problemOf(`watching ${what}`, cause);
      }
      if (found?.objects.list.isSynced() !== true) return undefined;
      if (object?.leaving) return { reason: "TargetNotFound", message: `${what} is being deleted` };
      return object === undefined ? { reason: "TargetNotFound", message: `there is no ${what} in ${namespace}` } : undefined;
    },
    close() {
      closed = true;
      clearTimeout(timer);
      stopListening();
      set?.podSet.stop();
    },
  };
}

function problemOf(doing: string, cause: unknown): Pick<TargetTrouble, "reason" | "message"> {
  const said = cause instanceof Error ? cause.message : String(cause);
  const reason = isKubeError(cause, "NotFound")
    ? "TargetNotFound"
    : isKubeError(cause, "Forbidden")
      ? "Forbidden"
      : "TargetUnreachable";
  return { reason, message: `${doing}: ${said}` };
}
