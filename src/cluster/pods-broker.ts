import { type PodCount, type PodReader, type PodSelector, podsBroker } from "../brokers/pods.ts";
import { readingSession } from "../brokers/session.ts";
import type { Problem, Session } from "../core/contract.ts";
import type { KubeError } from "../kube/kube.ts";
import type { PodSet, Pods } from "../targets/pods.ts";
import { type LabelSelector, toSelector } from "../targets/selector.ts";

/** Pods of one selector, and who hears of their changes. */
type Followed = Readonly<{ set: PodSet; listeners: Set<() => void> }>;

/**
 * Counts pods out of the watches that targets use too: no namespace is listed twice.
 *
 * @param clock Monotonic ms.
 */
export function watchedPodsBroker(podsOf: (namespace: string) => Pods, clock: () => number): ReturnType<typeof podsBroker> {
  return podsBroker(({ namespace }) => openPods(namespace, podsOf(namespace), clock));
}

function openPods(namespace: string, pods: Pods, clock: () => number): Session<PodReader> {
  const followed = new Map<string, Followed | undefined>();

  /** Undefined where nobody can say which pods are meant. */
  const followedOf = (selector: PodSelector): Followed | undefined => {
    const key = JSON.stringify(selector);
    if (followed.has(key)) return followed.get(key);
    const wanted = toSelector(selector as LabelSelector);
    const listeners = new Set<() => void>();
    const changed = () => {
      for (const listener of listeners) listener();
    };
    const made = wanted && { set: pods.follow(namespace, wanted, changed), listeners };
    followed.set(key, made);
    return made;
  };

  const end = () => {
    for (const one of followed.values()) one?.set.stop();
    followed.clear();
  };

  const client: PodReader = {
    count(selector) {
      const problem = problemOf(pods.list.problem(), namespace);
      if (problem !== undefined) return problem;
      const ageMs = pods.list.ageMs();
      if (ageMs === undefined) return { kind: "loading", message: `the pods of ${namespace} are being listed` };
      const one = followedOf(selector);
      if (one === undefined) return { kind: "invalid", message: "the selector means no pods" };
      return countOf(one.set, clock() - ageMs);
    },
    follow(selector, changed) {
      const listeners = followedOf(selector)?.listeners;
      listeners?.add(changed);
      // What is being listed is known all at once.
      if (!pods.list.isSynced()) void pods.list.synced.then(() => listeners?.has(changed) && changed());
      return { [Symbol.dispose]: () => void listeners?.delete(changed) };
    },
  };
  return readingSession(client, { lost: new Promise(() => {}), destroy: end });
}

function countOf({ pods }: PodSet, sampledAt: number): PodCount {
  let [there, ready] = [0, 0];
  for (const pod of pods.values()) {
    if (pod.over || pod.leaving) continue;
    there += 1;
    if (pod.ready) ready += 1;
  }
  return { pods: there, ready, sampledAt };
}

function problemOf(cause: KubeError | undefined, namespace: string): Problem | undefined {
  if (cause === undefined) return undefined;
  if (cause.status === 401 || cause.status === 403)
    return { kind: "auth", message: `the pods of ${namespace} may not be listed` };
  const kind = cause.reason === "Timeout" ? "timeout" : "unreachable";
  return { kind, message: `the API server does not tell of the pods of ${namespace}` };
}
