import { setTimeout as sleep } from "node:timers/promises";
import type { Pool } from "../core/spec.ts";
import { isKubeError } from "../kube/kube.ts";
import type { SeenPod } from "./pods.ts";
import { stayingOf } from "./scale-pool.ts";
import type { Outcome, ScaleWriter, Written } from "./scale-write.ts";
import type { Change } from "./target.ts";

/** How a smaller size is reached. */
export type Plan = Readonly<{
  size: number;
  /** Deleted before the size is written. */
  first: readonly SeenPod[];
}>;

/**
 * Which size can be reached without touching any but those that may go.
 *
 * | who can go  | how                                                                                    |
 * |-------------|----------------------------------------------------------------------------------------|
 * | all of them | the size alone: nobody is left to be spared                                            |
 * | named       | these pods are deleted, then the size is written                                       |
 * | first       | the size alone; as many as stand at the front, in their order                          |
 * | any         | the size alone: all were idle                                                          |
 * | none        | not at all                                                                             |
 *
 * Without names (`protect: grace`) the size alone is written, and the target chooses.
 *
 * Places that are empty go before anybody, once their controller knows that they are: `counted` is how many pods it says there are.
 */
export function planOf({ to, remove }: Change, pool: Pool, pods: ReadonlyMap<string, SeenPod>, counted = 0): Plan {
  const { wanted, removal = { who: "named" }, members = [] } = pool;
  const least = { size: wanted, first: [] };
  if (removal.who === "none") return least;
  if (remove === undefined) return { size: to, first: [] };
  const named = new Set(remove);
  const staying = stayingOf(pods);
  const absent = Math.min(wanted - to, Math.max(0, wanted - Math.max(staying.length, counted)));
  if (to === 0) return staying.every(({ name }) => named.has(name)) ? { size: 0, first: [] } : least;
  switch (removal.who) {
    case "any":
      return { size: to, first: [] };
    case "first": {
      const turn = members.filter(({ leaving }) => !leaving).map(({ id }) => id);
      const end = turn.findIndex((id) => !named.has(id));
      const surplus = Math.max(0, staying.length - wanted); // they stand at the front, and go as it is
      return { size: Math.max(to, wanted - absent - Math.max(0, (end < 0 ? turn.length : end) - surplus)), first: [] };
    }
    case "named": {
      const first = staying.filter(({ name }) => named.has(name)).slice(0, wanted - to - absent);
      return { size: wanted - absent - first.length, first };
    }
    default:
      return removal.who satisfies never;
  }
}

/** After a deletion the status of the target moves fast, and whoever may not patch meets a conflict at each move. */
const triesAfterDeletion = 20;

/**
 * So long the API server may take for one request of a removal, ms: a deletion and the size are one each, and nobody has
 * seen a pod that replaces another one ready sooner than 600 ms after.
 */
export const promptMs = 500;
/** So long the replacements are waited for, where there must be some and where there should, ms: some 100 were seen. */
const replacedMs = { direct: promptMs, other: 250 } as const;

/**
 * Deletes the chosen pods, each as it was when it was chosen, and then writes the size that is left. Their ReplicaSet
 * replaces them at once, and takes just these replacements away when it gets the new size: it removes pods that are not
 * assigned or Pending before any other, and so no wrong victims, whatever is ready or not; the other way, a deletion cost
 * and then the size, does (docs/decisions/0005).
 *
 * The controller hears of pods and of the size by two watches: told of the size first, it would take as many once more, of
 * those that are to stay. Its replacements are the proof that it knows, and are waited for. Where none come (no controllers, a
 * quota) a ReplicaSet that is the target itself (`direct`) keeps its size; that of a Deployment comes to its ReplicaSet by one
 * controller more, long after the deletions, and is written.
 *
 * The size is written at the size that was decided on and not at a version, which moves with each pod that goes: looking it
 * up again and again would give replacements the time to start.
 *
 * `still` says no as soon as a replacement may run, or more are wanted again: then nothing is written, and the pool keeps its size.
 */
export async function removeThenWrite(
  writer: ScaleWriter,
  work: Readonly<{
    uid: string;
    present: Written;
    plan: Plan;
    still: () => boolean;
    pods: () => ReadonlyMap<string, SeenPod>;
    direct: boolean;
  }>,
): Promise<Outcome> {
  const { uid, present, plan, still, pods, direct } = work;
  const { first } = plan;
  const gone = new Set<string>();
  const remove = async (pod: SeenPod) => {
    if (still() && (await writer.removePod(pod))) gone.add(pod.name);
  };
  const outcomes = await Promise.allSettled(first.map(remove));
  const removed = gone.size;
  const failed = outcomes.find((outcome) => outcome.status === "rejected");
  if (removed === 0 && failed !== undefined) throw failed.reason;
  const to = plan.size + first.length - removed;
  if (to === present.replicas) return { other: present };
  const replaced = () => stayingOf(pods()).filter(({ name }) => !gone.has(name)).length >= present.replicas;
  if (!(await holds(replaced, still, direct ? replacedMs.direct : replacedMs.other)) && direct) return { other: present };
  const how = { lane: "lower", tries: triesAfterDeletion, still } as const;
  return writer.patch(uid, present, to, how).catch((cause: unknown) => {
    if (!isKubeError(cause, "Forbidden")) throw cause;
    return writer.put(uid, present, to, how); // a role made by hand, which lacks the right to patch
  });
}

/** Whether it comes to hold within so many ms; no as soon as `still` says no. */
async function holds(is: () => boolean, still: () => boolean, ms: number): Promise<boolean> {
  for (const end = performance.now() + ms; !is(); await sleep(10)) if (!still() || performance.now() > end) return false;
  return true;
}
