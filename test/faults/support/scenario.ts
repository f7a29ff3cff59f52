import assert from "node:assert/strict";
import type { Line, LineOf } from "../../support/checker/lines.ts";
import type { StageOptions } from "./house.ts";
import { type Pool, pool } from "./pools.ts";
import { type Stage, setStage } from "./stage.ts";
import type { Verdict } from "./steps.ts";

/** The pool beside: on a Redis that stays well, with work that never ends. It must not notice anything. */
export const calm = pool("calm", { kind: "list", connection: "steady", waitingPerReplica: 10 });

/** The pool that has no brake but the readings: any of its workers may go, and its other trigger wants none. */
export const backlog = pool("backlog", { kind: "list", waitingPerReplica: 1, also: true });

export type Scenario = Omit<StageOptions, "pools"> &
  Readonly<{
    mails?: Partial<Pool>;
    /** Jobs put in before the fault, and how long each takes, ms. */
    jobs?: number;
    jobMs?: number;
    /** Its size in the end does not follow from the backlog: data that changed identity and fell is held for a minute. */
    maybeHeld?: boolean;
  }>;

/**
 * One fault while three workers have jobs in hand: afterwards all jobs are done, the pool is as small as it was, the
 * pools beside never noticed, and no invariant was broken at any moment.
 */
export async function whileBusy(scenario: Scenario, fault: (stage: Stage) => Promise<void>): Promise<Verdict> {
  const { mails = {}, jobs = 9, jobMs = 900, maybeHeld = false, ...options } = scenario;
  const busy = pool("mails", { min: 1, ...mails });
  await using stage = await setStage({ ...options, pools: [busy, backlog, calm] });
  await stage.settles("calm", 1);
  await stage.settles("backlog", 3);
  await stage.occupied("mails", jobs, jobMs);
  await fault(stage);
  await stage.sees("mails", undefined);
  await stage.drained();
  if (!maybeHeld) await stage.settles("mails", busy.min);
  await stage.settles("backlog", 3);
  // Awaited here: the stage must not be taken down before.
  return await stage.judge();
}

/** No size was lowered between the first begin and the last end of a fault, or until the queue was known again in between. */
export function heldDuring({ lines, writes }: Verdict, fault: string, pools: readonly string[] = ["mails", "backlog"]): void {
  const begin = lines.find((line): line is LineOf<"fault.begin"> => line.kind === "fault.begin" && line.fault === fault);
  const end = lines.findLast((line: Line) => line.kind === "fault.end" && line.fault === fault);
  assert.ok(begin !== undefined && end !== undefined, `there was a fault ${fault}`);
  const knownAgain = (pool: string): number => {
    const reads = lines.filter((line): line is LineOf<"read"> => line.kind === "read" && line.trigger === pool);
    const lastBad = reads.findLast(({ result, receivedAt }) => "problem" in result && receivedAt > begin.t && receivedAt < end.t);
    const next = lastBad && reads.find(({ receivedAt }) => receivedAt > lastBad.receivedAt);
    return Math.min(end.t, next?.sentAt ?? end.t);
  };
  const lowered = pools.flatMap((pool) =>
    writes(pool).filter((write) => write.to < write.from && write.sentAt > begin.t && write.sentAt < knownAgain(pool)),
  );
  assert.deepEqual(lowered, []);
}
