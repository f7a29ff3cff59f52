import type { JobTarget } from "../api/resolve-target.ts";
import type { Pool } from "../core/spec.ts";
import { plural } from "../core/words.ts";
import { type Fence, isKubeError, type Kube } from "../kube/kube.ts";
import { createJobCleaner } from "./job-clean.ts";
import { instanceOf, type JobOwner, type Slot, slotOf } from "./job-draft.ts";
import { countEnds, noStreak, opensAt, type Streak } from "./job-failures.ts";
import { createJobMaker } from "./job-make.ts";
import { type JobObject, ownerKey, workerLabel } from "./job-object.ts";
import { failingPods, placementEnds, stayingOf } from "./scale-pool.ts";
import { type Applied, type Change, lasting, type Target, type TargetTrouble } from "./target.ts";
import { createTeller } from "./teller.ts";
import type { TargetWatches } from "./watches.ts";

export type JobTargetOptions = Readonly<{
  target: JobTarget;
  owner: JobOwner;
  kube: Kube;
  watches: TargetWatches;
  /** Asked right before each write; and at any time, whether this process may clean up. */
  fence?: Fence;
  /** Something failed that no caller waits for. */
  failed: (doing: string, cause: unknown) => void;
}>;

/** A pod that is ready has taken its job within so long, ms: until then the job counts as waiting for it. */
const takesMs = 2000;
/** A Job that was made and that the watch never shows is forgotten after so long, ms. */
const unseenMs = 60_000;

/**
 * Jobs: one replica is one Job that has not ended. A larger size makes Jobs; a smaller one removes none: they run to
 * their end, and are not replaced. Disposing leaves them as they are.
 */
export function createJobTarget(options: JobTargetOptions): Target {
  const { target, owner, kube, watches, fence, failed } = options;
  const { clock } = watches;
  const jobs = watches.jobs();
  const instance = instanceOf(owner.name);
  const mine = ownerKey(owner.namespace, instance);
  const teller = createTeller(() => [pool(), findTrouble()]);
  const pool = teller.kept(look);
  const maker = createJobMaker(kube, target, owner, fence);
  const cleaner = createJobCleaner({
    target,
    jobs: () => jobs.of(mine),
    remove: maker.remove,
    mayWrite: () => fence?.() !== 0,
    failed: (cause) => failed(`removing Jobs of ${owner.namespace}/${owner.name}`, cause),
  });
  const everyone = watches.pods(owner.namespace);
  const podSet = everyone.follow(owner.namespace, [{ key: workerLabel, operator: "In", values: [instance] }], teller.changed);
  /** Made by us, and not shown by the watch yet. */
  const unseen = new Map<string, Readonly<{ job: JobObject; at: number }>>();
  /** The highest turn of each slot: a Job that is gone from history still had it. */
  const turns = new Map<number, number>();
  const begunAt = new Map<string, number>();
  let streak: Streak = noStreak;
  let live = -1;
  let changedAt = clock();
  let troubled: TargetTrouble | undefined;
  let closed = false;
  const stop = jobs.on(mine, seen);
  void jobs.list.synced.then(() => !closed && seen());
  if (jobs.list.isSynced()) seen();

  function seen(): void {
    const now = clock();
    const all = jobs.of(mine);
    for (const { uid } of all) if (unseen.get(uid)) unseen.delete(uid);
    for (const [uid, { at }] of unseen) if (now - at > unseenMs) unseen.delete(uid);
    for (const { name } of all) {
      const at = slotOf(name);
      if (at !== undefined) turns.set(at.slot, Math.max(at.turn, turns.get(at.slot) ?? 0));
    }
    const open = openJobs();
    for (const { uid, begun } of open) if (begun && !begunAt.has(uid)) begunAt.set(uid, now);
    const uids = new Set(open.map(({ uid }) => uid));
    for (const uid of begunAt.keys()) if (!uids.has(uid)) begunAt.delete(uid);
    if (open.length !== live) changedAt = now;
    live = open.length;
    streak = countEnds(streak, all, now);
    teller.changed();
    void cleaner.clean();
  }

  function openJobs(): readonly JobObject[] {
    const shown = jobs.of(mine).filter(({ state, leaving }) => state === "open" && !leaving);
    return [...shown, ...[...unseen.values()].map(({ job }) => job)];
  }

  function look(): Pool | undefined {
    if (!jobs.list.isSynced()) return undefined;
    const now = clock();
    const open = openJobs();
    const taken = open.filter(({ uid }) => now - (begunAt.get(uid) ?? Number.POSITIVE_INFINITY) >= takesMs).length;
    const limit = limitOf(open, now);
    const opens = opensAt(streak, target.backoff);
    const times = [...begunAt.values()].map((at) => at + takesMs).concat(opens ?? [], placementEnds(stayingOf(podSet.pods)));
    const next = Math.min(...times.filter((at) => at > now));
    teller.wake(Number.isFinite(next) ? next : undefined, now);
    return {
      uid: `${owner.uid}/jobs`,
      wanted: open.length,
      existing: open.length,
      ready: open.filter(({ begun }) => begun).length,
      leaving: jobs.of(mine).filter(({ state, leaving }) => state === "open" && leaving).length,
      changedAt,
      removal: { who: "none", because: "Jobs run to their end" },
      ...(limit && { limit }),
      ...(target.takes === "One" && { begun: taken }),
    };
  }

  /** While Jobs fail one after the other: none before the wait is over, then one to try. */
  function limitOf(open: readonly JobObject[], now: number): Pool["limit"] {
    const at = opensAt(streak, target.backoff);
    if (at !== undefined) return { most: now < at ? 0 : 1, reason: "WorkersFailing", because: streakText() };
    const failing = failingPods(stayingOf(podSet.pods), now);
    const ready = open.filter(({ begun }) => begun).length;
    if (failing === undefined || failing.pods <= ready) return undefined;
    return { most: Math.max(1, 2 * ready), reason: "WorkersFailing", because: failing.message };
  }

  const streakText = () =>
    `${plural(streak.failures, "Job")} failed in a row${streak.last === undefined ? "" : ` (${streak.last})`}`;

  function findTrouble(): Pick<TargetTrouble, "reason" | "message"> | undefined {
    const problem = jobs.list.problem();
    if (problem !== undefined && (problem.status === 403 || !jobs.list.isSynced())) {
      const reason = isKubeError(problem, "Forbidden") ? "Forbidden" : "TargetUnreachable";
      return { reason, message: `watching Jobs: ${problem.message}` };
    }
    if (opensAt(streak, target.backoff) !== undefined) return { reason: "CrashLooping", message: streakText() };
    return failingPods(stayingOf(podSet.pods), clock());
  }

  async function apply({ to }: Change, signal: AbortSignal): Promise<Applied> {
    signal.throwIfAborted();
    if (!jobs.list.isSynced()) throw new Error("the Jobs are not known just now");
    const open = openJobs();
    if (to <= open.length) return { size: open.length, note: "Jobs run to their end" };
    const made = await maker.make(freeSlots(open, to - open.length), () => !signal.aborted && !closed);
    const at = clock();
    for (const job of made) if (!wasShown(job)) unseen.set(job.uid, { job, at });
    seen();
    const size = open.length + made.length;
    return size < to ? { size, note: `${to} asked for, and ${plural(size, "Job")} could be made` } : { size };
  }

  /** It may be there no more. */
  function wasShown({ name }: JobObject): boolean {
    const at = slotOf(name);
    return at !== undefined && at.turn <= (turns.get(at.slot) ?? 0);
  }

  /** The lowest numbers that no Job has which has not ended. */
  function freeSlots(open: readonly JobObject[], count: number): readonly Slot[] {
    const held = jobs.of(mine).filter(({ state, leaving }) => state === "open" || leaving);
    const taken = new Set([...open, ...held].map(({ name }) => slotOf(name)?.slot));
    const free: Slot[] = [];
    for (let slot = 1; free.length < count; slot++) {
      if (!taken.has(slot)) free.push({ slot, turn: (turns.get(slot) ?? 0) + 1 });
    }
    return free;
  }

  return {
    title: `Jobs of ${owner.name}`,
    pool,
    trouble: () => (troubled = lasting(troubled, findTrouble(), clock())),
    onChange: teller.onChange,
    apply,
    async [Symbol.asyncDispose]() {
      closed = true;
      cleaner.close();
      stop();
      podSet.stop();
      teller.close();
    },
  };
}
