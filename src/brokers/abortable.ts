import { BrokerError } from "../core/contract.ts";

/**
 * Settles as `work` does, or rejects with BrokerError as soon as `signal` fires. The client goes on waiting for the
 * answer: whoever aborted destroys the connection, which ends that.
 */
export function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const abort = () => reject(new BrokerError({ kind: "timeout", message: "no answer within the deadline" }));
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort, { once: true });
  work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  return promise;
}
