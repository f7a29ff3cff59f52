import type { TargetTrouble } from "../targets/target.ts";
import { type Condition, type ConditionInput, deriveConditions } from "./conditions.ts";
import type { Managed } from "./controller.ts";

/** Monotonic ms and the wall clock, taken together. */
export type Moment = Readonly<{ now: number; wall: number }>;

/** How a worker stands, and what that was found from. */
export type Standing = Readonly<{
  conditions: readonly Condition[];
  /** What the conditions follow from, in short: while it is the same, only time can move them. */
  mark?: string;
  /** What they were found from while something failed: an outage may have turned to an alarm since, and nobody looked. */
  failing?: Omit<ConditionInput, "now" | "at">;
  /** Since when jobs wait and none is in hand, monotonic ms. */
  unworkedSince?: number;
}>;

/**
 * Follows how a worker stands, so that each condition carries the time of its change though nobody looks. Cheap while
 * nothing changed: called for every reading that brings news.
 */
export function follow<Past extends Standing>(managed: Managed, past: Past, moment: Moment): Past {
  const mark = markOf(managed);
  const empty = handsEmpty(managed);
  const unworkedSince = empty ? (past.unworkedSince ?? moment.now) : undefined;
  if (mark === past.mark && unworkedSince === past.unworkedSince) return past;
  const { unworkedSince: _, failing: __, ...rest } = past;
  const fresh = unworkedSince === undefined ? rest : { ...rest, unworkedSince };
  if (mark === past.mark) return { ...fresh, ...(past.failing && { failing: past.failing }) } as Past;
  return { ...fresh, ...stand(managed, past, moment), mark } as Past;
}

/** Finds all conditions anew. */
export function stand({ worker: { rules }, loop }: Managed, past: Standing, { now, wall }: Moment): Standing {
  const time = { now, at: new Date(wall).toISOString() };
  const input = { rules, observations: loop.observations(), decision: loop.decision(), trouble: loop.target.trouble() };
  const before = past.failing === undefined ? past.conditions : deriveConditions({ ...past.failing, ...time }, past.conditions);
  const conditions = deriveConditions({ ...input, ...time }, before);
  return input.observations.some(({ failure }) => failure !== undefined) ? { conditions, failing: input } : { conditions };
}

function markOf({ worker: { generation, rules }, loop }: Managed): string {
  const decision = loop.decision();
  const trouble: TargetTrouble | undefined = loop.target.trouble();
  let mark = `${generation} ${rules.pause?.directions} ${trouble?.reason} ${decision?.reason} ${(decision?.busy ?? 0) > 0}`;
  for (const { failure, reading } of loop.observations()) mark += ` ${failure?.problem.kind ?? reading !== undefined}`;
  for (const { active, state } of decision?.triggers ?? []) mark += ` ${active}${state}`;
  return mark;
}

/**
 * Since when jobs wait, workers are ready and none of them takes any, monotonic ms. A worker that becomes ready is no
 * news of a reading, so the pool is looked at only here.
 */
export function untakenSince({ loop }: Managed, { unworkedSince }: Standing): number | undefined {
  const pool = loop.target.pool();
  if (unworkedSince === undefined || pool === undefined || pool.ready === 0 || loop.target.trouble()) return undefined;
  const ready = pool.members?.filter((member) => member.ready && !member.leaving);
  if (ready?.length === 0) return undefined;
  const upSince = ready === undefined ? pool.changedAt : Math.min(...ready.map(({ startedAt }) => startedAt));
  return Math.max(unworkedSince, upSince);
}

/** Jobs wait, the queue lets them run, and none is in hand: all as known. */
function handsEmpty({ loop }: Managed): boolean {
  let waiting = 0;
  for (const { reading, failure } of loop.observations()) {
    if (reading === undefined || failure !== undefined) return false;
    if (reading.wants !== undefined) continue;
    if (reading.running !== 0 || (reading.reserved ?? 0) > 0 || reading.ceiling === 0) return false;
    waiting += reading.waiting ?? 0;
  }
  return waiting > 0;
}
