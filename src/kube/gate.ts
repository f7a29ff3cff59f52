import { jitterMs, pause, until } from "./wait.ts";

const baseMs = 400;
const capMs = 5_000;

/** Keeps all requests together from dialling a server that cannot be reached: one of them tries, after a while that grows. */
export type Gate = Readonly<{
  /** Resolves when this request may be sent, with what to call when it has ended. Rejects with the signal's reason. */
  pass(signal: AbortSignal): Promise<() => void>;
  /** The server has answered. */
  reached(): void;
  /** A dial has failed. */
  missed(): void;
}>;

export function createGate(clock: () => number): Gate {
  let failures = 0;
  let closedUntil = Number.NEGATIVE_INFINITY;
  let trial: PromiseWithResolvers<void> | undefined;

  const end = (one: PromiseWithResolvers<void> | undefined) => {
    if (one === undefined || one !== trial) return;
    trial = undefined;
    one.resolve();
  };

  return {
    async pass(signal) {
      for (;;) {
        signal.throwIfAborted();
        const leftMs = closedUntil - clock();
        if (leftMs > 0) await pause(leftMs + 1, signal);
        else if (trial) await until(trial.promise, signal);
        else break;
      }
      if (failures === 0) return () => {};
      const mine = Promise.withResolvers<void>();
      trial = mine;
      return () => end(mine);
    },
    reached() {
      failures = 0;
      end(trial);
    },
    missed() {
      if (clock() >= closedUntil) {
        failures += 1; // one dial fails for many requests
        closedUntil = clock() + jitterMs(failures, baseMs, capMs);
      }
      end(trial);
    },
  };
}
