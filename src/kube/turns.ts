import { type Lane, lanes } from "./kube.ts";

/** How many requests may be on their way when one of this lane joins them: what is urgent always finds room. */
const room: Readonly<Record<Lane, number>> = {
  lease: Number.POSITIVE_INFINITY,
  raise: 40,
  lower: 34,
  read: 28,
  status: 12,
  events: 4,
};

/** Whose turn it is to send. */
export type Turns = Readonly<{
  /** Resolves with how to give the turn back. Rejects with the signal's reason. */
  take(lane: Lane, signal: AbortSignal): Promise<() => void>;
  /** The server wants to be left alone by this lane: those after it in rank are held too, those before it are not. */
  hold(lane: Lane, ms: number): void;
  inFlight(): number;
}>;

type Waiter = Readonly<{ go(): void }>;

/** Turns by lane, first come first served within one. `clock` is monotonic, ms. */
export function createTurns(clock: () => number): Turns {
  const waiting = new Map<Lane, Set<Waiter>>(lanes.map((lane) => [lane, new Set()]));
  const heldUntil = new Map<Lane, number>();
  let inFlight = 0;
  let timer: NodeJS.Timeout | undefined;

  const waitMs = (lane: Lane) => (heldUntil.get(lane) ?? 0) - clock();
  const free = (lane: Lane) => inFlight < room[lane] && waitMs(lane) <= 0;

  const giver = () => {
    inFlight += 1;
    let given = false;
    return () => {
      if (given) return;
      given = true;
      inFlight -= 1;
      advance();
    };
  };

  function advance(): void {
    for (const [lane, waiters] of waiting) {
      for (const waiter of waiters) {
        if (!free(lane)) break;
        waiters.delete(waiter);
        waiter.go();
      }
    }
    const held = lanes.filter((lane) => (waiting.get(lane)?.size ?? 0) > 0 && waitMs(lane) > 0).map(waitMs);
    clearTimeout(timer);
    timer = held.length > 0 ? setTimeout(advance, Math.min(...held) + 1) : undefined;
  }

  return {
    take(lane, signal) {
      const waiters = waiting.get(lane);
      if (!waiters || (waiters.size === 0 && free(lane))) return Promise.resolve(giver());
      const { promise, resolve, reject } = Promise.withResolvers<() => void>();
      const abort = () => {
        waiters.delete(waiter);
        reject(signal.reason);
      };
      const waiter: Waiter = {
        go() {
          signal.removeEventListener("abort", abort);
          resolve(giver());
        },
      };
      signal.addEventListener("abort", abort, { once: true });
      waiters.add(waiter);
      advance();
      return promise;
    },
    hold(lane, ms) {
      for (const behind of lanes.slice(lanes.indexOf(lane))) {
        heldUntil.set(behind, Math.max(heldUntil.get(behind) ?? 0, clock() + ms));
      }
      advance();
    },
    inFlight: () => inFlight,
  };
}
