import type { Observation } from "../core/contract.ts";
import type { Pool } from "../core/spec.ts";
import type { Watching } from "../observe/observer.ts";

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
  /** Made when first needed: most workers of most pools are never quieted. */
  let underway: Set<string> | undefined;
  /** Members that were there before us, until they are known to work. */
  let adopted: Set<string> | undefined;

  const letWork = async (member: string, quieters: readonly NonNullable<Watching["quiet"]>[]) => {
    underway ??= new Set();
    underway.add(member);
    try {
      await Promise.all(quieters.map((quiet) => quiet(member, false)));
      adopted?.delete(member);
      told(member, "unquieted");
    } catch {
      // Tried again on the next look: the reading still says quiet, or the member still counts as adopted.
    } finally {
      underway?.delete(member);
    }
  };

  return {
    look(pool, observations, watchings) {
      const quieters = watchings.flatMap(({ quiet }) => (quiet === undefined ? [] : [quiet]));
      if (quieters.length === 0 || observations.some(({ reading, failure }) => reading === undefined || failure)) return;
      const staying = pool.members?.filter(({ leaving }) => !leaving).map(({ id }) => id) ?? [];
      adopted ??= new Set(staying);
      if (adopted.size === 0 && !observations.some(({ reading }) => reading?.workers?.some(({ quiet }) => quiet))) return;
      const quiet = new Set(
        observations.flatMap(({ reading }) => reading?.workers?.filter((w) => w.quiet).map((w) => w.id) ?? []),
      );
      for (const member of staying) {
        if ((quiet.has(member) || adopted.has(member)) && !underway?.has(member)) void letWork(member, quieters);
      }
    },
  };
}
