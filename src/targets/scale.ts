import type { Pool } from "../core/spec.ts";
import { type Fence, type Kube, KubeError } from "../kube/kube.ts";
import { planOf, promptMs, removeThenWrite } from "./scale-lower.ts";
import { poolOf, type ScaleState, stayingOf, troubleOf, wakeAt } from "./scale-pool.ts";
import { createSizeKeeper, type ScaleMemory } from "./scale-size.ts";
import { createScaleView, type ScaleRef } from "./scale-view.ts";
import { createScaleWriter, type ScaleWriter, type Written } from "./scale-write.ts";
import { type Applied, type Change, lasting, type Target, type TargetNotice, type TargetTrouble } from "./target.ts";
import { createTeller } from "./teller.ts";
import type { TargetWatches } from "./watches.ts";

export type ScaleTargetOptions = Readonly<{
  ref: ScaleRef;
  kube: Kube;
  watches: TargetWatches;
  /** Asked right before each write. */
  fence?: Fence;
  /** What an earlier process remembered, or the one that leads. */
  memory?: () => ScaleMemory | undefined;
  /**
   * Keeps that we are about to write 0, so that it is not taken for somebody else's wish after a crash. Nothing is
   * written when it rejects.
   */
  beforeZero?: (memory: ScaleMemory) => Promise<void>;
  notice?: (notice: TargetNotice) => void;
  /** Nothing is changed by us just now. */
  observes?: () => boolean;
}>;

export interface ScaleTarget extends Target {
  /** Changes with {@link Target.onChange} only. Undefined until the target has been seen. */
  memory(): ScaleMemory | undefined;
}

/** So long after a scale-down it is watched who went, ms. */
const verifyMs = 10_000;
const tries = 3;
/** So long nobody is named for removal after the API server was slow or a replacement was faster, ms. */
const slowMs = 10_000;
/** Writes may fail for so long before that is told, ms. */
const patienceMs = 60_000;

/**
 * Anything with a `/scale` subresource. The pool comes from shared watches; only `/scale` is written, and pods are deleted
 * that were chosen: see {@link removeThenWrite}. Disposing leaves the target as it is.
 */
export function createScaleTarget(options: ScaleTargetOptions): ScaleTarget {
  const { ref, kube, watches, fence, memory = () => undefined, beforeZero, notice = () => {}, observes = () => false } = options;
  const { clock } = watches;
  const title = `${ref.kind} ${ref.name}`;
  const sizes = createSizeKeeper({ title, clock, memory, notice, observes });
  const teller = createTeller(() => [pool(), findTrouble()]);
  const pool = teller.kept(look);
  const view = createScaleView(ref, { kube, watches }, teller.changed);
  let trouble: TargetTrouble | undefined;
  /** What the API server said to our writes, and since when it takes none. */
  let denied: Readonly<{ cause: KubeError; since: number }> | undefined;
  let slowUntil = 0;
  let spared: Readonly<{ names: ReadonlySet<string>; until: number }> | undefined;

  function state(): (ScaleState & { present: Written }) | undefined {
    const object = view.object();
    if (object === undefined) return undefined;
    const present = sizes.see(object);
    const known = { kind: ref.kind, object, wanted: present.replicas, present, pods: view.pods(), now: clock() };
    return { ...known, foreign: sizes.foreign(), changedAt: sizes.changedAt(), slowUntil };
  }

  function look(): Pool | undefined {
    const now = state();
    if (now === undefined) return undefined;
    verify(now);
    teller.wake(wakeAt(now), now.now);
    return poolOf(now);
  }

  /** Tells when others went than those chosen. */
  function verify({ pods, now }: ScaleState): void {
    if (spared === undefined) return;
    const gone = [...spared.names].filter((name) => pods.get(name)?.leaving === true);
    if (gone.length > 0) {
      notice({ reason: "WrongWorkerRemoved", message: `${gone.join(", ")} of ${title} went, and others were chosen` });
    }
    if (gone.length > 0 || now > spared.until) spared = undefined;
  }

  function findTrouble(): TargetTrouble | undefined {
    const now = state();
    const found = view.problem() ?? denial() ?? (now && troubleOf(now));
    trouble = lasting(trouble, found, clock());
    return trouble;
  }

  /** A short outage is nothing to tell: the loop tries again. */
  function denial(): Pick<TargetTrouble, "reason" | "message"> | undefined {
    if (denied === undefined) return undefined;
    const { cause, since } = denied;
    if (cause.status === 403) return { reason: "Forbidden", message: cause.message };
    return clock() - since < patienceMs ? undefined : { reason: "TargetUnreachable", message: cause.message };
  }

  /** Throws while the target is not known. */
  function place(): Readonly<{ now: ScaleState & { present: Written }; writer: ScaleWriter }> {
    const now = state();
    const at = view.ref();
    if (now === undefined || at === undefined) throw new Error(`${title} is not known just now`);
    return { now, writer: createScaleWriter(kube, at, fence, sizes.begins) };
  }

  async function apply(change: Change, signal: AbortSignal): Promise<Applied> {
    try {
      const applied = await attempt(change, signal);
      denied = undefined;
      return applied;
    } catch (cause) {
      if (cause instanceof KubeError && cause.reason !== "NotLeader") denied = { cause, since: denied?.since ?? clock() };
      throw cause;
    } finally {
      teller.changed();
    }
  }

  async function attempt(change: Change, signal: AbortSignal): Promise<Applied> {
    signal.throwIfAborted();
    const { now, writer } = place();
    const { uid } = now.object;
    if (now.wanted !== change.from) return { size: change.from, note: `it is ${now.wanted} by now` };
    const raises = change.to > now.wanted;
    let { present } = now;
    const askedAt = clock();
    if (sizes.inDoubt() || !raises) {
      // A stale sight must never lower, and what became of the last write decides what comes next.
      present = await writer.read(uid, raises ? "raise" : "lower");
      if (present.replicas !== now.wanted) return sizes.adopt(present, now.wanted);
    }
    if (change.to === present.replicas) return { size: present.replicas };
    return raises ? raise(change.to) : lower(change);

    async function raise(to: number): Promise<Applied> {
      return sizes.took(present, await writer.put(uid, present, to, { lane: "raise", tries }));
    }

    async function lower(change: Change): Promise<Applied> {
      const plan = planOf(change, poolOf(now), view.pods(), now.object.counted);
      if (plan.size >= present.replicas) return { size: present.replicas, note: "none of those can go that may" };
      const named = plan.first.length > 0;
      const beganAt = clock();
      if (named && beganAt - askedAt > promptMs) {
        slowUntil = beganAt + slowMs;
        return { size: present.replicas, note: `the API server took ${Math.round(beganAt - askedAt)} ms to answer` };
      }
      if (plan.size === 0) await beforeZero?.({ uid, replicas: 0 });
      spared = undefined;
      const before = new Set(view.pods().keys());
      const replaced = () => [...view.pods().values()].some(({ name, up }) => up && !before.has(name));
      const late = () => replaced() || clock() - beganAt > 2 * promptMs;
      const still = () => !signal.aborted && !(named && late());
      const outcome = named
        ? await removeThenWrite(writer, { uid, present, plan, still, pods: view.pods, direct: ref.kind === "ReplicaSet" })
        : await writer.put(uid, present, plan.size, { lane: "lower", tries, still });
      if (named && "other" in outcome && late()) slowUntil = clock() + slowMs;
      if (named && "written" in outcome) spare(before, new Set(plan.first.map(({ name }) => name)));
      const applied = sizes.took(present, outcome);
      return applied.size > change.to ? { note: `${change.to} asked for, and no more could go`, ...applied } : applied;
    }
  }

  function spare(before: ReadonlySet<string>, going: ReadonlySet<string>): void {
    // One that is not up yet has nothing in hand: it may go for a replacement that stays.
    const kept = stayingOf(view.pods()).filter(({ name, up }) => up && before.has(name) && !going.has(name));
    spared = { names: new Set(kept.map(({ name }) => name)), until: clock() + verifyMs };
  }

  return {
    title,
    // Whether a zero is anybody's may turn out without a change of the target.
    pool: () => (pool()?.limit?.reason === "Paused" ? look() : pool()),
    trouble: findTrouble,
    onChange: teller.onChange,
    apply,
    memory: sizes.memory,
    async [Symbol.asyncDispose]() {
      teller.close();
      view.close();
    },
  };
}
