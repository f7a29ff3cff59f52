import type { Problem, Session } from "../core/contract.ts";

/** What a session stands on: a connection that can be lost, or be ended at once. */
type Ending = Readonly<{ lost: Promise<Problem>; warning?: string | undefined; destroy(): void }>;

/** A session that ends at once: it only reads, and nothing of that is worth waiting for. */
export function readingSession<Client>(client: Client, link: Ending): Session<Client> {
  return {
    client,
    warning: link.warning,
    lost: link.lost,
    destroy: () => link.destroy(),
    [Symbol.asyncDispose]: async () => link.destroy(),
  };
}
