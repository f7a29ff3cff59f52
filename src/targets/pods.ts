import type { WatchList } from "../kube/watch-list.ts";
import type { Pod } from "./pod.ts";
import { type Labels, matches, type Selector } from "./selector.ts";

/** A pod, and since when we know of it, monotonic ms: it began no later. */
export type SeenPod = Pod & Readonly<{ seenAt: number }>;

/** The pods of one target, kept up to date. */
export interface PodSet {
  /** By name. */
  readonly pods: ReadonlyMap<string, SeenPod>;
  stop(): void;
}

/** Many targets' pods out of one watch. */
export interface Pods extends AsyncDisposable {
  readonly list: WatchList<Pod>;
  /** `changed` is called after each change of the set. */
  follow(namespace: string, selector: Selector, changed: () => void): PodSet;
}

type Follower = Readonly<{ namespace: string; selector: Selector; pods: Map<string, SeenPod>; changed: () => void }>;
type Place = { pods: Map<string, SeenPod>; followers: Set<Follower> };

/**
 * Deals pods out to the targets that they belong to. Both are found by one label, so that neither ten thousand targets
 * nor ten thousand pods are gone through for a single event.
 */
export function createPods(list: WatchList<Pod>, clock: () => number): Pods {
  const places = new Map<string, Place>();
  const placeOf = (name: string) => {
    const place = places.get(name) ?? { pods: new Map(), followers: new Set() };
    places.set(name, place);
    return place;
  };
  const leave = (name: string, take: (place: Place) => void) => {
    const place = places.get(name);
    if (place === undefined) return;
    take(place);
    if (place.pods.size === 0 && place.followers.size === 0) places.delete(name);
  };
  let told = new Set<Follower>();

  const put = (key: string, pod: Pod | undefined, was: SeenPod | undefined) => {
    const namespace = key.slice(0, key.indexOf("/"));
    const seen = pod && { ...pod, seenAt: was !== undefined && was.uid === pod.uid ? was.seenAt : clock() };
    const before = was === undefined ? [] : placesOf(namespace, was.labels);
    const after = seen === undefined ? [] : placesOf(namespace, seen.labels);
    for (const name of before) if (!after.includes(name)) leave(name, (place) => drop(place, key));
    for (const name of after) {
      const place = placeOf(name);
      if (seen !== undefined) place.pods.set(key, seen);
      for (const follower of place.followers) take(follower, seen);
    }
    if (seen === undefined) known.delete(key);
    else known.set(key, seen);
  };
  const take = (follower: Follower, pod: SeenPod | undefined) => {
    if (pod === undefined) return;
    if (matches(follower.selector, pod.labels)) follower.pods.set(pod.name, pod);
    else if (!follower.pods.delete(pod.name)) return;
    told.add(follower);
  };
  const drop = (place: Place, key: string) => {
    place.pods.delete(key);
    for (const follower of place.followers) if (follower.pods.delete(key.slice(key.indexOf("/") + 1))) told.add(follower);
  };
  const known = new Map<string, SeenPod>();
  for (const [key, pod] of list.entries()) put(key, pod, undefined);
  const stop = list.onChange((key, pod) => {
    told = new Set();
    put(key, pod, known.get(key));
    for (const { changed } of told) changed();
  });

  return {
    list,
    follow(namespace, selector, changed) {
      const follower: Follower = { namespace, selector, pods: new Map(), changed };
      const names = placesFor(namespace, selector);
      for (const name of names) {
        const place = placeOf(name);
        place.followers.add(follower);
        for (const pod of place.pods.values()) take(follower, pod);
      }
      return {
        pods: follower.pods,
        stop: () => {
          for (const name of names) leave(name, (place) => place.followers.delete(follower));
        },
      };
    },
    async [Symbol.asyncDispose]() {
      stop();
      await list[Symbol.asyncDispose]();
    },
  };
}

/** Where a pod is found: at each of its labels, and among all of its namespace. */
function placesOf(namespace: string, labels: Labels): readonly string[] {
  return [namespace, ...Object.entries(labels).map(([key, value]) => `${namespace}/${key}=${value}`)];
}

/** Where all pods of this selector are found: at a label that they must have, with as few values as there are. */
function placesFor(namespace: string, selector: Selector): readonly string[] {
  const [narrow] = selector.filter(({ operator }) => operator === "In").toSorted((a, b) => a.values.length - b.values.length);
  return narrow === undefined ? [namespace] : narrow.values.map((value) => `${namespace}/${narrow.key}=${value}`);
}
