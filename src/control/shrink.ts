import type { Observation } from "../core/contract.ts";
import type { Decision } from "../core/decision.ts";
import type { Member } from "../core/spec.ts";
import type { Watching } from "../observe/observer.ts";
import type { Applied, Target } from "../targets/target.ts";
import { quietersOf } from "./quieters.ts";

/** What a scale-down needs of the loop around it. */
export type Shrink = Readonly<{
  decision: Decision;
  target: Target;
  watchings: readonly Watching[];
  /** The same rules over the newest observations: what is wanted and removable now. Undefined: the pool is not known. */
  decideAgain: (observations: readonly Observation[]) => Decision | undefined;
  /** Puts the decision that is acted on into history; answers its id. */
  act: (decision: Decision) => string;
  told: (member: string, event: "quieted" | "unquieted", detail?: string) => void;
}>;

/**
 * Takes workers away without taking one that has a job in hand.
 *
 * Choose idle victims → quiet them, where the framework can → read again → still idle and still unwanted? remove
 * exactly these → let the others work again. Where no framework can quiet, the second reading alone makes the window
 * as small as one round trip, and the stop grace is the backstop.
 *
 * Fires `signal` when more workers are wanted after all: nothing more is removed, and who was quieted works again.
 */
export async function shrink(work: Shrink, signal: AbortSignal): Promise<Applied> {
  const { decision, target } = work;
  const { from, to, removable } = decision;
  if (removable === undefined) return target.apply({ from, to, decision: work.act(decision) }, signal);

  const chosen = removable.slice(0, from - to);
  const quieted = await quietAll(work, chosen);
  let removed: readonly string[] = [];
  try {
    const observations = await Promise.all(work.watchings.map((watching) => watching.refresh()));
    const again = signal.aborted ? undefined : work.decideAgain(observations);
    if (again === undefined) return { size: from, note: "more are wanted again" };
    // Places that stand empty (a worker that crashed, one that cannot start) hold no job: they go first.
    const drop = Math.max(0, again.from - again.to);
    const empty = Math.min(drop, Math.max(0, again.from - (target.pool()?.existing ?? again.from)));
    const stillIdle = new Set(again.removable ?? []);
    removed = quieted.filter((member) => stillIdle.has(member)).slice(0, drop - empty);
    const size = again.from - empty - removed.length;
    if (size === again.from) return { size: from, note: "none of the chosen workers stayed idle" };
    return await target.apply({ from: again.from, to: size, remove: removed, decision: work.act(again) }, signal);
  } finally {
    await letWork(work, quieted, new Set(removed));
  }
}

/** Those that may be considered further: quieted, or of a pool whose frameworks cannot quiet. */
async function quietAll(work: Shrink, members: readonly string[]): Promise<readonly string[]> {
  const quieters = quietersOf(work.watchings);
  if (quieters.length === 0) return members;
  const known = membersOf(work);
  const outcomes = await Promise.all(
    members.map(async (member) => {
      const answers = await Promise.allSettled(quieters.map((quiet) => quiet(known.get(member) ?? { id: member }, true)));
      const failed = answers.find((answer) => answer.status === "rejected");
      if (failed === undefined) work.told(member, "quieted");
      // A worker that is not up cannot confirm, and has nothing to lose.
      return failed === undefined || known.get(member)?.ready === false;
    }),
  );
  return members.filter((_, index) => outcomes[index]);
}

async function letWork(work: Shrink, members: readonly string[], removed: ReadonlySet<string>): Promise<void> {
  const quieters = quietersOf(work.watchings);
  const known = membersOf(work);
  await Promise.all(
    members
      .filter((member) => !removed.has(member))
      .flatMap((member) =>
        quieters.map(async (quiet) => {
          try {
            await quiet(known.get(member) ?? { id: member }, false);
            work.told(member, "unquieted");
          } catch (cause) {
            work.told(member, "unquieted", `failed: ${cause instanceof Error ? cause.message : String(cause)}`);
          }
        }),
      ),
  );
}

function membersOf({ target }: Shrink): ReadonlyMap<string, Member> {
  return new Map(target.pool()?.members?.map((member) => [member.id, member]));
}
