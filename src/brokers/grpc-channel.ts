import type { Problem } from "../core/contract.ts";

/** A channel of gRPC, as its clients and Google's have one each. */
export type Channel = Readonly<{
  getConnectivityState(tryToConnect: boolean): number;
  watchConnectivityState(from: number, until: number, changed: (error?: Error) => void): void;
}>;

/** Of gRPC's five: 0 is idle, 1 connecting. */
const [ready, transientFailure, shutdown] = [2, 3, 4];

/**
 * Keeps a channel connected, and resolves once it is without a connection and a try to mend that came to nothing: gRPC mends
 * its connections by itself, and servers close idle ones now and then, which is no loss. `onReady` is told of each connection.
 */
export function lossOf(channel: Channel, onReady = () => {}): Promise<Problem> {
  const { promise, resolve } = Promise.withResolvers<Problem>();
  const look = (error?: Error | null) => {
    const state = channel.getConnectivityState(false);
    if (error || state === shutdown) return;
    if (state === ready) onReady();
    if (state === transientFailure) resolve({ kind: "unreachable", message: "the connection was lost, and there is no other" });
    else channel.watchConnectivityState(channel.getConnectivityState(true), Number.POSITIVE_INFINITY, look);
  };
  look();
  return promise;
}

/** As far as grpc-js 1.14 has it. */
type Pools = Readonly<{ internalChannel?: { subchannelPool?: { pool?: Readonly<Record<string, readonly Pooled[]>> } } }>;
type Pooled = Readonly<{ subchannel: Readonly<{ refcount: number; stopBackoff(): void }> }>;

/**
 * Closes a channel and all that it has. Left to itself, one whose connection has failed dials once more when its back-off is
 * over, whoever has closed it meanwhile, and nobody ever ends what it gets: no option stops that timer.
 */
export async function closeChannel(channel: Channel, close: () => unknown): Promise<void> {
  const pooled = Object.values((channel as Pools).internalChannel?.subchannelPool?.pool ?? {}).flat();
  await close();
  for (const { subchannel } of pooled) if (subchannel.refcount === 0) subchannel.stopBackoff();
}
