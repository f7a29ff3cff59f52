import { BrokerError, type Problem } from "../core/contract.ts";

/** Work that ends in time, whatever the one who does it does. */
export type Bounded<T> = Readonly<{
  /** Settles by the deadline. */
  promise: Promise<T>;
  /** Ends it now: its signal fires, {@link promise} rejects with BrokerError. Nothing happens once it has settled. */
  cancel(problem: Problem): void;
}>;

export type Bounds<T> = Readonly<{
  ms: number;
  /** The message of the problem when it takes longer. */
  message: string;
  clock: () => number;
  /** Whether the process stood still since then: the deadline starts again, for it may have been our own fault. */
  excused?: (since: number) => boolean;
  /** Takes a value that came after the end. It is void, and may need closing. */
  late?: (value: T) => void;
}>;

/**
 * Runs `work` under a deadline outside of it: clients of brokers have been seen to keep a promise pending for ever,
 * in spite of their own timeouts and of an abort signal. The timer is a plain one, cleared at the end:
 * AbortSignal.timeout and AbortSignal.any leak with long-lived parents.
 */
export function bounded<T>(bounds: Bounds<T>, work: (signal: AbortSignal) => Promise<T>): Bounded<T> {
  const { ms, message, clock, excused, late } = bounds;
  const controller = new AbortController();
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  let ended = false;
  let timer: NodeJS.Timeout | undefined;

  const end = (): boolean => {
    if (ended) return false;
    ended = true;
    clearTimeout(timer);
    return true;
  };
  const cancel = (problem: Problem) => {
    if (!end()) return;
    reject(new BrokerError(problem));
    controller.abort();
  };
  const arm = () => {
    const startedAt = clock();
    timer = setTimeout(() => {
      if (excused?.(startedAt)) arm();
      else cancel({ kind: "timeout", message });
    }, ms);
  };

  arm();
  start(work, controller.signal).then(
    (value) => (end() ? resolve(value) : late?.(value)),
    (error: unknown) => {
      if (end()) reject(error);
    },
  );
  return { promise, cancel };
}

/** A throw before the first wait is a rejection like any other. */
async function start<T>(work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
  return await work(signal);
}
