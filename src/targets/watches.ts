import type { Kind, Kube } from "../kube/kube.ts";
import { type WatchList, type WatchSelection, watchList } from "../kube/watch-list.ts";
import { type JobObject, slimJob } from "./job-object.ts";
import { slimPod } from "./pod.ts";
import { createPods, type Pods } from "./pods.ts";
import { isBuiltIn, type ScaleObject, slimCustom, slimWorkload } from "./scale-object.ts";

/** A watch whose changes are dealt out by key, so that one change costs the same however many targets there are. */
export type Dealt<Slim> = Readonly<{
  list: WatchList<Slim>;
  /** Returns how to stop. */
  on(key: string, listener: () => void): () => void;
}>;

/** Jobs by the ScaledWorker that they were made for. */
export type DealtJobs = Dealt<JobObject> & Readonly<{ of(owner: string): readonly JobObject[] }>;

/** What targets see of the cluster. Every watch is opened when first used, and shared by all targets. */
export interface TargetWatches extends AsyncDisposable {
  readonly clock: () => number;
  /** By namespace and name. */
  objects(kind: Kind): Dealt<ScaleObject>;
  pods(namespace: string): Pods;
  /** Those that we made. */
  jobs(): DealtJobs;
}

export const podKind: Kind = { apiVersion: "v1", kind: "Pod", plural: "pods", namespaced: true };
export const jobKind: Kind = { apiVersion: "batch/v1", kind: "Job", plural: "jobs", namespaced: true };
export const ourJobs = "app.kubernetes.io/managed-by=worktide";

/** From so many namespaces on, one watch over all of them costs less than one more for each. */
const mostNamespaces = 50;

export type TargetWatchesOptions = Readonly<{
  kube: Kube;
  /** Monotonic ms. */
  clock: () => number;
  /** Those that may be seen; absent: all. */
  namespaces?: readonly string[];
  /** Told of each failure of a watch; none ends it. */
  onProblem?: (error: unknown) => void;
}>;

export function createTargetWatches(options: TargetWatchesOptions): TargetWatches {
  const { kube, clock, namespaces, onProblem = () => {} } = options;
  const open = <Slim>(selection: WatchSelection, slim: (object: object) => Slim) =>
    watchList(kube, selection, slim, { clock, onProblem });
  const where = namespaces === undefined ? {} : { namespaces };
  const objects = new Map<string, Dealt<ScaleObject>>();
  const pods = new Map<string, Pods>();
  let jobs: DealtJobs | undefined;

  /** Pods of namespaces without targets are of no use, and there may be very many: only those with targets are watched. */
  const openPods = (namespace: string): Pods => {
    const wide = namespaces === undefined && pods.size >= mostNamespaces;
    const known = wide ? pods.get("") : undefined;
    if (known !== undefined) return known;
    const opened = createPods(open({ kind: podKind, ...(wide ? {} : { namespaces: [namespace] }) }, slimPod), clock);
    pods.set(wide ? "" : namespace, opened);
    return opened;
  };

  return {
    clock,
    objects(kind) {
      const name = `${kind.apiVersion}/${kind.kind}`;
      const slim = isBuiltIn(kind.apiVersion, kind.kind) ? slimWorkload : slimCustom;
      const dealt = objects.get(name) ?? deal(open({ kind, ...where }, slim), (key) => key);
      objects.set(name, dealt);
      return dealt;
    },
    pods: (namespace) => pods.get(namespace) ?? openPods(namespace),
    jobs: () => (jobs ??= dealJobs(open({ kind: jobKind, labelSelector: ourJobs, ...where }, slimJob))),
    async [Symbol.asyncDispose]() {
      const lists = [...objects.values(), ...(jobs ? [jobs] : [])].map(({ list }) => list);
      await Promise.all([...lists, ...pods.values()].map((each: AsyncDisposable) => each[Symbol.asyncDispose]()));
    },
  };
}

function deal<Slim>(list: WatchList<Slim>, keyOf: (key: string, slim: Slim) => string): Dealt<Slim> {
  const listeners = new Map<string, Set<() => void>>();
  list.onChange((key, now, was) => {
    const slim = now ?? was;
    if (slim === undefined) return;
    for (const listener of listeners.get(keyOf(key, slim)) ?? []) listener();
  });
  return {
    list,
    on(key, listener) {
      const same = listeners.get(key) ?? new Set();
      listeners.set(key, same.add(listener));
      return () => {
        same.delete(listener);
        if (same.size === 0) listeners.delete(key);
      };
    },
  };
}

function dealJobs(list: WatchList<JobObject>): DealtJobs {
  const owned = new Map<string, Map<string, JobObject>>();
  const put = (key: string, now: JobObject | undefined, was: JobObject | undefined) => {
    if (was !== undefined) owned.get(was.owner ?? "")?.delete(key);
    if (was !== undefined && owned.get(was.owner ?? "")?.size === 0) owned.delete(was.owner ?? "");
    if (now === undefined) return;
    const same = owned.get(now.owner ?? "") ?? new Map<string, JobObject>();
    owned.set(now.owner ?? "", same.set(key, now));
  };
  for (const [key, job] of list.entries()) put(key, job, undefined);
  list.onChange(put);
  return { ...deal(list, (_, job) => job.owner ?? ""), of: (owner) => [...(owned.get(owner)?.values() ?? [])] };
}
