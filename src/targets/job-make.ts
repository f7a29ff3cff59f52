import type { JobTarget } from "../api/resolve-target.ts";
import { type Fence, isKubeError, type Kube, KubeError, type KubeObject } from "../kube/kube.ts";
import { instanceOf, type JobOwner, jobDraft, jobName, type Slot } from "./job-draft.ts";
import { type JobObject, ownerKey, slimJob } from "./job-object.ts";
import { jobKind } from "./watches.ts";

/** So many requests at once: the API server has others to serve. */
const atOnce = 10;
const tries = 3;

/** Makes and removes Jobs of one ScaledWorker. */
export type JobMaker = Readonly<{
  /**
   * Makes one Job in each of these slots, at most {@link atOnce} at a time, while `still`; answers those that are there now.
   * Throws what went wrong when none is.
   */
  make(slots: readonly Slot[], still: () => boolean): Promise<readonly JobObject[]>;
  /** Removes just this one, and its pods with it; resolves when it is gone already. */
  remove(job: JobObject): Promise<void>;
}>;

export function createJobMaker(kube: Kube, target: JobTarget, owner: JobOwner, fence: Fence | undefined): JobMaker {
  const { namespace } = owner;
  const mine = ownerKey(namespace, instanceOf(owner.name));
  const fenced = fence === undefined ? {} : { fence };

  /**
   * Whatever became of the request before, the same name again makes no second one. A name that is taken by a Job which
   * has ended, or is not ours, is passed over.
   */
  async function makeOne({ slot, turn }: Slot, left = tries): Promise<JobObject> {
    try {
      const made = await kube.create<KubeObject>(jobKind, jobDraft(target, owner, { slot, turn }), { lane: "raise", ...fenced });
      return slimJob(made);
    } catch (cause) {
      if (left <= 1 || !(cause instanceof KubeError)) throw cause;
      if (cause.outcome === "unknown") return makeOne({ slot, turn }, left - 1);
      if (cause.reason !== "AlreadyExists") throw cause;
    }
    const there = await find(jobName(owner.name, { slot, turn }));
    if (there?.owner === mine && there.state === "open" && !there.leaving) return there;
    return makeOne({ slot, turn: turn + 1 }, left - 1);
  }

  async function find(name: string): Promise<JobObject | undefined> {
    try {
      return slimJob(await kube.get({ kind: jobKind, namespace, name }, { lane: "raise" }));
    } catch (cause) {
      if (isKubeError(cause, "NotFound")) return undefined;
      throw cause;
    }
  }

  return {
    async make(slots, still) {
      const made: JobObject[] = [];
      let failure: Error | undefined;
      const queue = [...slots];
      const work = async () => {
        for (let slot = queue.shift(); slot !== undefined && still(); slot = queue.shift()) {
          try {
            made.push(await makeOne(slot));
          } catch (cause) {
            failure = cause instanceof Error ? cause : new Error(String(cause));
            queue.length = 0; // what one is refused, the others are
          }
        }
      };
      await Promise.all(Array.from({ length: Math.min(atOnce, slots.length) }, work));
      if (made.length === 0 && failure !== undefined) throw failure;
      return made;
    },
    remove: ({ name, uid }) => removeJob(kube, { namespace, name, uid }, fenced),
  };
}

/** Removes just this one, and its pods with it; resolves when it is gone already. */
export async function removeJob(
  kube: Kube,
  { namespace, name, uid }: Readonly<{ namespace: string; name: string; uid: string }>,
  fenced: Readonly<{ fence?: Fence }> = {},
): Promise<void> {
  try {
    await kube.remove({ kind: jobKind, namespace, name }, { lane: "lower", uid, propagation: "Background", ...fenced });
  } catch (cause) {
    if (!isKubeError(cause, "NotFound")) throw cause;
  }
}
