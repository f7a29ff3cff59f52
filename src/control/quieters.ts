import { byName, workersOf } from "../core/names.ts";
import type { Member } from "../core/spec.ts";
import type { Watching } from "../observe/observer.ts";

/** Tells all that one framework knows in a member to take no more jobs, or to take them again. */
export type Quieter = (member: Pick<Member, "id" | "aliases">, on: boolean) => Promise<void>;

/** One for each trigger whose framework can. Each worker is told under the name that its framework knows it by. */
export function quietersOf(watchings: readonly Watching[]): readonly Quieter[] {
  return watchings.flatMap((watching) => {
    const { quiet } = watching;
    if (quiet === undefined) return [];
    return [
      async (member, on) => {
        const own = workersOf(member, byName(watching.observation().reading?.workers));
        await Promise.all(own.length === 0 ? [quiet(member.id, on)] : own.map(({ id }) => quiet(id, on)));
      },
    ];
  });
}
