import { decide } from "../core/decide.ts";
import type { Decision, Situation } from "../core/decision.ts";
import { emptyMemory, type Memory, recordScale } from "../core/memory.ts";
import type { Rules } from "../core/spec.ts";
import type { Observed } from "../observe/observer.ts";
import type { Target } from "../targets/target.ts";
import { isAsleep } from "./asleep.ts";
import { LoopHistory, type Tap } from "./loop-history.ts";
import { quietersOf } from "./quieters.ts";
import { resize } from "./resize.ts";
import { createStrays, type Strays } from "./strays.ts";
import type { LoopHouse, WatchedTrigger, WorkerLoop } from "./worker-loop.ts";

/** Starts the loop of one ScaledWorker. */
export function createWorkerLoop(
  worker: string,
  target: Target,
  rules: Rules,
  triggers: readonly WatchedTrigger[],
  house: LoopHouse,
): WorkerLoop {
  return new Loop(worker, target, rules, triggers, house);
}

/** Longest delay that a timer of Node can hold; a longer one would fire at once. */
const longestTimerMs = 2 ** 31 - 1;

/** After a change that came to nothing, the next try waits so long, ms. */
const retryMs = 1000;

type Way = "up" | "down";
const wayOf = ({ from, to }: Decision): Way => (to < from ? "down" : "up");

/**
 * The loop of one ScaledWorker: a reading, the pool, the rules changed, or a deadline passed → decide → apply.
 * At most one change is under way; what happens meanwhile is decided on right after it.
 *
 * A class, because there may be ten thousand of them: closures for each would weigh more than all that it remembers.
 */
class Loop implements WorkerLoop {
  readonly target: Target;
  private readonly house: LoopHouse;
  private readonly history: LoopHistory;
  private readonly unsubscribe: () => void;
  private present: Rules;
  private taps: readonly Tap[] = [];
  private memory: Memory = emptyMemory;
  private queued = false;
  private stopped = false;
  private wokenAt: number | undefined;
  private deadline: NodeJS.Timeout | undefined;
  /** No change of that direction before this: the last one came to nothing. */
  private notBefore: Readonly<{ [way in Way]?: number }> = {};
  private underway: Readonly<{ done: Promise<void>; raise: AbortController; to: number }> | undefined;
  private strays: Strays | undefined;

  constructor(worker: string, target: Target, rules: Rules, triggers: readonly WatchedTrigger[], house: LoopHouse) {
    this.target = target;
    this.present = rules;
    this.house = house;
    this.history = new LoopHistory(worker, house);
    this.unsubscribe = target.onChange(() => this.ask());
    this.watch(triggers);
    this.ask();
  }

  rules() {
    return this.present;
  }

  decision() {
    return this.history.last;
  }

  observations() {
    return this.taps.map(({ watching }) => watching.observation());
  }

  situation(): Situation | undefined {
    const pool = this.target.pool();
    if (pool === undefined) return undefined;
    return { rules: this.present, pool, observations: this.observations(), memory: this.memory, now: this.house.now() };
  }

  update(rules: Rules, triggers: readonly WatchedTrigger[]) {
    const before = this.taps.map(({ trigger }) => trigger);
    this.present = rules;
    if (!sameWatches(before, triggers)) this.watch(triggers);
    this.ask();
  }

  async stop() {
    this.stopped = true;
    clearTimeout(this.deadline);
    this.unsubscribe();
    this.underway?.raise.abort();
    await this.underway?.done;
  }

  release() {
    for (const { watching } of this.taps) watching.stop();
  }

  private watch(triggers: readonly WatchedTrigger[]) {
    const before = this.taps;
    this.taps = triggers.map((trigger, index) => {
      const watching = this.house.watch(trigger.watch, (seen) => this.observed(index, seen));
      return { trigger, watching, noted: watching.readId() };
    });
    for (const { watching } of before) watching.stop();
  }

  private watchings() {
    return this.taps.map(({ watching }) => watching);
  }

  private observed(index: number, seen: Observed) {
    const { house, history } = this;
    const tap = this.taps[index];
    if (tap === undefined) return;
    if (seen.changed || house.inFull) history.read(tap);
    house.observed(history.worker, tap.trigger, seen);
    if (!seen.changed && !this.isNews(index, seen)) return;
    this.wokenAt ??= seen.wokenAt;
    this.ask();
  }

  /** The same as before, of a trigger that was not known (read too long ago) when it was last decided: known again. */
  private isNews(index: number, { observation }: Observed) {
    const state = this.history.last?.triggers[index]?.state;
    return observation.failure === undefined && state !== undefined && state !== "known";
  }

  /** Several readings of one batch, or a reading and a pool change, make one turn. */
  ask() {
    if (this.queued || this.stopped) return;
    this.queued = true;
    queueMicrotask(() => {
      this.queued = false;
      if (!this.stopped) this.turn();
    });
  }

  private turn() {
    const seen = this.situation();
    if (seen === undefined) return;
    const { decision, memory } = decide(seen);
    this.memory = memory;
    this.history.decided(decision, seen, this.taps);
    const asleep = this.house.mayAct() && isAsleep(seen, decision);
    for (const { watching } of this.taps) watching.rest(asleep);
    const again = this.notBefore[wayOf(decision)] ?? 0;
    const waiting = decision.to !== decision.from && again > seen.now;
    this.armDeadline(waiting ? Math.min(again, decision.nextAt ?? again) : decision.nextAt);
    if (!waiting) this.act(decision, seen);
    if (this.underway === undefined && this.house.mayAct()) this.lookForStrays(seen);
  }

  private armDeadline(at: number | undefined) {
    clearTimeout(this.deadline);
    this.deadline = undefined;
    if (at === undefined) return;
    const ms = Math.max(1, Math.ceil(at - this.house.now()));
    this.deadline = setTimeout(passed, Math.min(longestTimerMs, ms), this);
    this.deadline.unref();
  }

  /** @internal The deadline has passed. */
  due() {
    this.deadline = undefined;
    this.ask();
  }

  private act(decision: Decision, seen: Situation) {
    if (this.present.mode === "Observe" || !this.house.mayAct()) return;
    if (this.underway !== undefined) {
      if (decision.to > this.underway.to) this.underway.raise.abort();
      return;
    }
    if (decision.to === decision.from) {
      this.wokenAt = undefined;
      return;
    }
    const raise = new AbortController();
    const done = this.apply(decision, seen, raise.signal)
      .catch((cause: unknown) => this.house.failed(`scaling ${this.history.worker}`, cause))
      .finally(() => {
        this.underway = undefined;
        this.ask();
      });
    this.underway = { done, raise, to: decision.to };
  }

  private async apply(decision: Decision, first: Situation, signal: AbortSignal) {
    const { target, house, history, wokenAt } = this;
    let seen = first;
    this.wokenAt = undefined;
    const applied = await resize(
      {
        ...{ target, house, history, decision },
        watchings: this.watchings(),
        decideAgain: (observations) => {
          const now = this.situation();
          if (now === undefined) return undefined;
          seen = { ...now, observations };
          return decide(seen).decision;
        },
        tell: (again) => history.again(again, seen, this.taps),
      },
      signal,
    );
    const at = house.now();
    if (applied === undefined || applied.size === decision.from) {
      this.notBefore = { ...this.notBefore, [wayOf(decision)]: at + retryMs };
      return;
    }
    this.memory = recordScale(this.memory, decision.from, applied.size, at);
    house.scaled(history.worker, { decision, applied, at, wokenAt });
  }

  private lookForStrays({ pool, observations }: Situation) {
    const watchings = this.watchings();
    if (quietersOf(watchings).length === 0) return;
    this.strays ??= createStrays((id, event) => this.history.member(id, event));
    this.strays.look(pool, observations, watchings);
  }
}

const passed = (loop: Loop) => loop.due();

/** Whether the same queues are read in the same way: then what is known of them is still known. */
function sameWatches(a: readonly WatchedTrigger[], b: readonly WatchedTrigger[]): boolean {
  const text = (triggers: readonly WatchedTrigger[]) =>
    JSON.stringify(
      triggers.map(({ name, watch }) => [name, watch.scaler.type, watch.query, watch.connection.key, watch.intervalMs]),
    );
  return text(a) === text(b);
}
