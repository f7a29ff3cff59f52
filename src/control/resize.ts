import type { Decision } from "../core/decision.ts";
import type { Applied } from "../targets/target.ts";
import type { LoopHistory } from "./loop-history.ts";
import { type Shrink, shrink } from "./shrink.ts";
import type { LoopHouse } from "./worker-loop.ts";

/** A change of size, and what it needs of the loop around it. */
export type Resize = Omit<Shrink, "act" | "told"> &
  Readonly<{
    house: LoopHouse;
    history: LoopHistory;
    /** Puts another decision into history, on which is acted instead; answers its id. */
    tell: (decision: Decision) => string;
  }>;

/**
 * Brings the target to the size that was decided on, and tells history how that went. Undefined: it failed. Fires
 * `signal` when more are wanted after all.
 */
export async function resize(work: Resize, signal: AbortSignal): Promise<Applied | undefined> {
  const { target, house, history, decision } = work;
  const { worker } = history;
  const { from, to } = decision;
  const sentAt = house.now();
  let id = history.id();
  const written = (outcome: "ok" | "failed", size: number, note?: string) => {
    const write = { kind: "write", worker, decision: id, from, to: size, sentAt, endedAt: house.now(), outcome } as const;
    house.history(note === undefined ? write : { ...write, note });
  };
  // What is taken away follows from the second look: the write cites that one.
  const act = (again: Decision) => {
    id = work.tell(again);
    return id;
  };
  try {
    const applied = await (to > from
      ? target.apply({ from, to, decision: id }, signal)
      : shrink({ ...work, act, told: (...event) => history.member(...event) }, signal));
    if (applied.size !== from) written("ok", applied.size, applied.note);
    return applied;
  } catch (cause) {
    written("failed", to, cause instanceof Error ? cause.message : String(cause));
    house.failed(`scaling ${worker} from ${from} to ${to}`, cause);
    return undefined;
  }
}
