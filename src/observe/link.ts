import type { AnyScaler, Problem, Session } from "../core/contract.ts";
import { type Bounded, bounded } from "./bounded.ts";

/** One live session, and what is being asked on it. */
export type Link = Readonly<{ session: Session<Parameters<AnyScaler["read"]>[0]>; calls: Set<Bounded<unknown>> }>;

const closeMs = 2_000;

/** Ends it now: what is being asked on it has failed. */
export function abandon(link: Link, why: Problem): void {
  destroy(link.session);
  cancelCalls(link, why);
}

export function cancelCalls(link: Link, why: Problem): void {
  for (const call of [...link.calls]) call.cancel(why);
}

/** Lets what is being asked on it end, and closes it, both within bounds. */
export async function closeLink(link: Link, clock: () => number): Promise<void> {
  const limit = { ms: closeMs, message: "closing took too long", clock };
  try {
    await Promise.allSettled([...link.calls].map(({ promise }) => promise));
    await bounded(limit, async () => link.session[Symbol.asyncDispose]()).promise;
  } catch {
    destroy(link.session);
  }
}

export function destroy(session: Link["session"]): void {
  try {
    session.destroy();
  } catch {
    // It is of no more use either way.
  }
}
