import type { ScaledWorkerStatus } from "../api/status.ts";
import { isOlder } from "../kube/kube.ts";
import { type Foreign, noticed, untouched, wrote } from "./foreign.ts";
import type { ScaleObject } from "./scale-object.ts";
import type { Outcome, Written } from "./scale-write.ts";
import type { Applied, TargetNotice } from "./target.ts";

/** What of a target must outlive this process: in the status of the ScaledWorker. */
export type ScaleMemory = NonNullable<ScaledWorkerStatus["size"]>;

/** The size in force, by all that was seen and written: never older than our own last write. */
export interface SizeKeeper {
  /** Takes in the object as the watch shows it; answers the size in force and where it stands. */
  see(object: ScaleObject & { replicas: number }): Written;
  foreign(): Foreign;
  /** Undefined until the object has been seen. */
  memory(): ScaleMemory | undefined;
  /** When the size last changed, by anyone; monotonic ms. */
  changedAt(): number;
  /** A write of this size begins: until it is {@link took}, nobody knows whether it is in force. */
  begins(to: number): void;
  /** The outcome of the last write is not known: read before anything is written. */
  inDoubt(): boolean;
  took(before: Written, outcome: Outcome): Applied;
  /** The store says something else than was decided on: it is decided on anew. */
  adopt(stored: Written, before: number): Applied;
}

export function createSizeKeeper(
  options: Readonly<{
    title: string;
    clock: () => number;
    /** What is remembered outside of this process just now. */
    memory: () => ScaleMemory | undefined;
    notice: (notice: TargetNotice) => void;
    /** Nothing is changed by us just now (`mode: Observe`): sizes are others' to set, a zero too. */
    observes: () => boolean;
  }>,
): SizeKeeper {
  const { title, clock, memory, notice, observes } = options;
  let uid: string | undefined;
  let foreign: Foreign = untouched;
  /** Its size when this process saw it first. */
  let first = 0;
  let changedAt = 0;
  /** What the watch has not shown yet. */
  let ahead: Written | undefined;
  let doubted: number | undefined;

  /** Of this very object: another one, made anew or named by an edit of the ScaledWorker, has a past of its own. */
  const remembered = () => {
    const kept = memory();
    return (kept?.uid ?? uid) === uid ? kept : undefined;
  };

  /** Another object under the same name is another target: nothing that is known of the old one counts. */
  const meet = ({ uid: next, replicas }: ScaleObject & { replicas: number }) => {
    if (uid !== undefined) notice({ reason: "TargetReplaced", message: `${title} was deleted and made anew` });
    uid = next;
    const { replicas: last, zeroBy } = remembered() ?? {};
    foreign = { ...untouched, ...(last !== undefined && { replicas: last }), ...(zeroBy !== undefined && { zeroBy }) };
    first = replicas;
    changedAt = clock();
    ahead = undefined;
    doubted = undefined;
  };

  const settle = (replicas: number, setBy: ScaleObject["setBy"]) => {
    const before = foreign.replicas;
    if (before === replicas) return;
    const ours = doubted === replicas && before !== undefined;
    foreign = ours ? wrote(foreign, before, replicas) : noticed(foreign, replicas, setBy, clock());
    if (observes()) foreign = { ...untouched, replicas };
    changedAt = clock();
    doubted = undefined;
    if (ours || before === undefined || observes()) return;
    notice({ reason: "ScaledByOther", message: `${foreign.by} scaled ${title} from ${before} to ${replicas}` });
  };

  /**
   * Where another process leads, its zero looks like anybody's: but it has been remembered, and before it was written.
   * Who has written here itself knows better.
   */
  const believe = () => {
    if (foreign.zeroBy === undefined || foreign.ours !== undefined) return;
    const kept = remembered();
    if (kept?.replicas !== 0 || kept.zeroBy !== undefined) return;
    const { zeroBy: _, ...rest } = foreign;
    foreign = rest;
  };

  const took: SizeKeeper["took"] = (before, outcome) => {
    // Known by now: where ours was refused, the very same size is somebody else's.
    doubted = undefined;
    if ("other" in outcome) {
      const { other } = outcome;
      return other.replicas === before.replicas ? { size: before.replicas } : adopt(other, before.replicas);
    }
    ahead = outcome.written;
    changedAt = clock();
    foreign = wrote(foreign, before.replicas, outcome.written.replicas);
    return { size: outcome.written.replicas };
  };

  const adopt: SizeKeeper["adopt"] = (stored, before) => {
    if (doubted === stored.replicas) return took({ ...stored, replicas: before }, { written: stored });
    ahead = stored;
    doubted = undefined;
    changedAt = clock();
    return { size: before, note: `somebody set ${stored.replicas} meanwhile` };
  };

  return {
    see(object) {
      if (object.uid !== uid) meet(object);
      if (ahead !== undefined && !isOlder(object.resourceVersion, ahead.resourceVersion)) ahead = undefined;
      if (ahead !== undefined) return ahead;
      settle(object.replicas, object.setBy);
      believe();
      return { replicas: object.replicas, resourceVersion: object.resourceVersion };
    },
    foreign: () => foreign,
    memory() {
      const { replicas, zeroBy } = foreign;
      if (uid === undefined || replicas === undefined) return undefined;
      return { uid, replicas, ...(zeroBy !== undefined && { zeroBy }), original: remembered()?.original ?? first };
    },
    changedAt: () => changedAt,
    begins(to) {
      doubted = to;
    },
    inDoubt: () => doubted !== undefined,
    took,
    adopt,
  };
}
