import type { Decision, Situation } from "../core/decision.ts";
import type { Watching } from "../observe/observer.ts";
import type { LoopHouse, WatchedTrigger } from "./worker-loop.ts";

/** A trigger that a loop reads. */
export type Tap = {
  readonly trigger: WatchedTrigger;
  readonly watching: Watching;
  /** The read that is in history already, or that is another watch's. */
  noted: number | null;
};

/** What one loop tells to history, and the decision that it told last. */
export class LoopHistory {
  readonly worker: string;
  /** The newest decision. Its id is that of the first one that said the same. */
  last: Decision | undefined;
  private readonly house: LoopHouse;
  private lastNumber = 0;

  constructor(worker: string, house: LoopHouse) {
    this.worker = worker;
    this.house = house;
  }

  /** Of the last decision. */
  id(): string {
    return this.idOf(this.lastNumber);
  }

  /** Takes a decision in, and tells of it when it differs from the one before. */
  decided(decision: Decision, seen: Situation, taps: readonly Tap[]): void {
    const before = this.last;
    this.last = decision;
    if (before !== undefined && same(before, decision)) return;
    this.lastNumber = this.decide(decision, seen, taps);
    this.house.decided(this.worker, decision);
  }

  /** Tells of another decision, on which is acted; answers its id. */
  again(decision: Decision, seen: Situation, taps: readonly Tap[]): string {
    return this.idOf(this.decide(decision, seen, taps));
  }

  /** Tells of the newest read of a trigger, unless that was told. */
  read(tap: Tap): void {
    const { trigger, watching } = tap;
    const read = watching.lastRead();
    if (read === undefined || read.readId === tap.noted) return;
    const { readId: id, sentAt, receivedAt, wokenAt } = read;
    tap.noted = id;
    const { reading, failure } = watching.observation();
    const result = failure === undefined ? reading && { reading } : { problem: failure.problem };
    if (result === undefined) return;
    const { worker } = this;
    const { name, watch } = trigger;
    const connection = watch.connection.name;
    const woken = wokenAt !== undefined;
    this.house.history({ kind: "read", worker, id, trigger: name, connection, sentAt, receivedAt, woken, result });
  }

  member(id: string, event: "quieted" | "unquieted", detail?: string): void {
    this.house.history({ kind: "member", worker: this.worker, id, event, ...(detail === undefined ? {} : { detail }) });
  }

  /** The decision, behind the reads that it was made from. */
  private decide(decision: Decision, { rules: { generation }, ...inputs }: Situation, taps: readonly Tap[]): number {
    const number = this.house.nextDecision();
    const { uid } = inputs.pool;
    for (const tap of taps) this.read(tap);
    const reads = taps.map(({ watching }) => watching.readId());
    const line = { kind: "decide", worker: this.worker, id: this.idOf(number), uid, generation, reads, decision } as const;
    this.house.history(this.house.inFull ? { ...line, inputs } : line);
    return number;
  }

  private idOf(number: number): string {
    return number === 0 ? "" : `${this.worker}#${number}`;
  }
}

/** Whether two decisions say the same, but for numbers that move with the clock. */
function same(a: Decision, b: Decision): boolean {
  return a.from === b.from && a.to === b.to && a.rule === b.rule && a.reason === b.reason;
}
