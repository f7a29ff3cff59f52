import type { JobTarget } from "../api/resolve-target.ts";
import { isKubeError } from "../kube/kube.ts";
import type { JobObject } from "./job-object.ts";

/** How soon a removal that failed is tried again, ms. */
const againMs = 30_000;

export type JobCleanerOptions = Readonly<{
  target: JobTarget;
  /** All Jobs that there are, as they are now. */
  jobs: () => readonly JobObject[];
  remove: (job: JobObject) => Promise<void>;
  /** Another one leads: it cleans up. */
  mayWrite: () => boolean;
  failed: (cause: unknown) => void;
}>;

/** Removes Jobs beyond what history is wanted, and, where that is asked for, those of a former template. */
export function createJobCleaner({ target, jobs, remove, mayWrite, failed }: JobCleanerOptions) {
  let cleaning = false;
  let closed = false;
  let later: NodeJS.Timeout | undefined;
  /** Removed, and maybe shown still: what is shown does not count twice, or one more would go in its place. */
  let removed: ReadonlySet<string> = new Set<string>();

  const shown = () => {
    const all = jobs();
    removed = new Set(all.map(({ uid }) => uid).filter((uid) => removed.has(uid)));
    return all.filter(({ uid }) => !removed.has(uid));
  };

  /** Something may have changed. One at a time, looked at anew after each: others end meanwhile. */
  async function clean(): Promise<void> {
    if (cleaning) return;
    cleaning = true;
    clearTimeout(later);
    try {
      while (!closed && mayWrite()) {
        const [next] = surplus(shown(), target);
        if (next === undefined) return;
        await remove(next);
        removed = new Set([...removed, next.uid]);
      }
    } catch (cause) {
      if (isKubeError(cause, "NotLeader")) return;
      later = setTimeout(() => void clean(), againMs);
      later.unref();
      failed(cause);
    } finally {
      cleaning = false;
    }
  }

  return {
    clean,
    close() {
      closed = true;
      clearTimeout(later);
    },
  };
}

/** Those to be removed, the oldest of each kind last. */
function surplus(jobs: readonly JobObject[], target: JobTarget): readonly JobObject[] {
  const staying = jobs.filter(({ leaving }) => !leaving);
  const ended = (["succeeded", "failed"] as const).flatMap((state) => {
    const keep = state === "failed" ? target.failedJobsHistoryLimit : target.successfulJobsHistoryLimit;
    const those = staying.filter((job) => job.state === state);
    return those.toSorted((a, b) => (b.endedAt ?? 0) - (a.endedAt ?? 0)).slice(keep);
  });
  if (target.onTemplateChange === "Keep") return ended;
  return [...ended, ...staying.filter(({ state, template }) => state === "open" && template !== target.templateDigest)];
}
