import { BrokerError, type Problem, type Session } from "../core/contract.ts";

/** How a connection ends: once, for the reason that comes first. */
export type Ending = Readonly<{
  lost: Promise<Problem>;
  /** Why it is of no more use; undefined while it is of use. */
  gone(): Problem | undefined;
  /** Throws that as a BrokerError. */
  throwIfGone(): void;
  destroy(why?: Problem): void;
}>;

export const closed: Problem = { kind: "unreachable", message: "the connection is closed" };

/** @param close Lets go of what the connection holds. */
export function createEnding(close: (why: Problem) => void): Ending {
  const { promise: lost, resolve } = Promise.withResolvers<Problem>();
  let gone: Problem | undefined;
  return {
    lost,
    gone: () => gone,
    throwIfGone() {
      if (gone) throw new BrokerError(gone);
    },
    destroy(why = closed) {
      if (gone) return;
      gone = why;
      resolve(why);
      close(why);
    },
  };
}

type Link = Pick<Ending, "lost"> & Readonly<{ warning?: string | undefined; destroy(): void }>;

/** A session that ends at once: it only reads, and nothing of that is worth waiting for. */
export function readingSession<Client>(client: Client, link: Link): Session<Client> {
  return {
    client,
    warning: link.warning,
    lost: link.lost,
    destroy: () => link.destroy(),
    [Symbol.asyncDispose]: async () => link.destroy(),
  };
}
