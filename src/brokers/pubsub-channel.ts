import type { Problem } from "../core/contract.ts";

/** What both of Google's clients are of, and its channel, which none of them shows. */
export type Stub = Promise<{ getChannel?: () => Channel }>;
type Channel = Readonly<{
  getConnectivityState(tryToConnect: boolean): number;
  watchConnectivityState(from: number, until: number, changed: (error?: Error) => void): void;
}>;
const [transientFailure, shutdown] = [3, 4];

/**
 * gRPC mends its connections by itself, and Google closes idle ones now and then: that is no loss. A new one that does not
 * come about is.
 */
export async function goneOf(stub: Awaited<Stub>): Promise<Problem> {
  const channel = stub.getChannel?.();
  const { promise, resolve } = Promise.withResolvers<Problem>();
  const look = (error?: Error) => {
    const state = channel?.getConnectivityState(true);
    if (channel === undefined || error || state === undefined) return;
    if (state === transientFailure) resolve({ kind: "unreachable", message: "the connection was lost, and there is no other" });
    else if (state !== shutdown) channel.watchConnectivityState(state, Number.POSITIVE_INFINITY, look);
  };
  look();
  return promise;
}
