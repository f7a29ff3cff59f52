import type { Observation } from "../core/contract.ts";
import { byName, workersOf } from "../core/names.ts";
import type { Member, Pool } from "../core/spec.ts";
import type { Watching } from "../observe/observer.ts";
import { type Quieter, quietersOf } from "./quieters.ts";

/** Lets workers take jobs again that were quieted and then not removed. */
export interface Strays {
  /** Looks at the pool and at what the frameworks report; call it on every turn in which no scale-down is under way. */
  look(pool: Pool, observations: readonly Observation[], watchings: readonly Watching[]): void;
}

/**
 * A quieted worker that stays would idle for ever, so this is level-triggered: whoever is quiet and is not leaving is
 * let work again, and so is everyone whom an earlier process of ours left behind, since that one may have died between
 * quieting and stopping. Failures are tried again on the next look.
 */
export function createStrays(told: (member: string, event: "unquieted", detail?: string) => void): Strays {
  const underway = new Set<string>();
  /** Members that were there before us, until they are known to work. */
  let adopted: Set<string> | undefined;

  const letWork = async (member: Member, quieters: readonly Quieter[]) => {
    const { id } = member;
    underway.add(id);
    try {
      await Promise.all(quieters.map((quiet) => quiet(member, false)));
      adopted?.delete(id);
      told(id, "unquieted");
    } catch {
      // Tried again on the next look: the reading still says quiet, or the member still counts as adopted.
    } finally {
      underway.delete(id);
    }
  };

  return {
    look(pool, observations, watchings) {
      const quieters = quietersOf(watchings);
      if (quieters.length === 0 || observations.some(({ reading, failure }) => reading === undefined || failure)) return;
      const staying = pool.members?.filter(({ leaving }) => !leaving) ?? [];
      adopted ??= new Set(staying.map(({ id }) => id));
      if (adopted.size === 0 && !observations.some(({ reading }) => reading?.workers?.some(({ quiet }) => quiet))) return;
      const quiet = observations.map(({ reading }) => byName(reading?.workers?.filter((worker) => worker.quiet)));
      for (const member of staying) {
        const stray = adopted.has(member.id) || quiet.some((named) => workersOf(member, named).length > 0);
        if (stray && !underway.has(member.id)) void letWork(member, quieters);
      }
    },
  };
}
