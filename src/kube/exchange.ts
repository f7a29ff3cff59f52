import type { IncomingHttpHeaders } from "node:http";
import type { Dispatcher } from "undici";

/** One HTTP request, as it goes out. */
export type Outgoing = Readonly<{
  origin: string;
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  path: string;
  headers: Readonly<Record<string, string>>;
  body?: string;
  /** Until the first byte of the answer, ms. undici looks after the session when it passes, as it does not after an abort. */
  headersTimeoutMs: number;
  /** Between two pieces of the answer, ms. */
  bodyTimeoutMs: number;
  /** Called in the very turn of the event loop in which it is written to the socket; what it throws keeps it from going out. */
  onSend?(): void;
  /** Called when a 2xx answer begins. */
  onOpen?(): void;
  /** Takes the body of a 2xx answer piece by piece instead of its text. What it throws ends the exchange. */
  onData?(chunk: Buffer): void;
}>;

export type Answer = Readonly<{ status: number; headers: IncomingHttpHeaders; text: string }>;

/** No (whole) answer. `sent`: the server may have got the request. The cause tells the rest. */
export class LostExchange extends Error {
  override readonly name = "LostExchange";
  readonly sent: boolean;
  constructor(sent: boolean, cause: unknown) {
    super("the exchange with the API server ended early", { cause });
    this.sent = sent;
  }
}

/** Why a signal gave an exchange up: it took longer than it may. */
export class DeadlinePassed extends Error {
  override readonly name = "DeadlinePassed";
}

/** Sends and waits for the whole answer, of whatever status. Rejects with {@link LostExchange}. */
export function exchange(dispatcher: Dispatcher, outgoing: Outgoing, signal: AbortSignal): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const { headersTimeoutMs: headersTimeout, bodyTimeoutMs: bodyTimeout, onSend, onOpen, onData, ...request } = outgoing;
  const pieces: Buffer[] = [];
  let controller: Dispatcher.DispatchController | undefined;
  let sent = false;
  let status = 0;
  let headers: IncomingHttpHeaders = {};

  const fail = (error: unknown) => {
    signal.removeEventListener("abort", abort);
    reject(new LostExchange(sent, error));
  };
  const abort = () => {
    fail(signal.reason);
    controller?.abort(new Error("ended by the caller", { cause: signal.reason }));
  };
  if (signal.aborted) {
    abort();
    return promise;
  }
  signal.addEventListener("abort", abort, { once: true });

  dispatcher.dispatch(
    { ...request, headersTimeout, bodyTimeout },
    {
      onRequestStart(its) {
        controller = its;
        sent = false; // undici sends again what the server said it did not take
        signal.throwIfAborted();
        onSend?.();
        sent = true;
      },
      onResponseStart(_, code, its) {
        status = code;
        headers = its;
        if (code < 300) onOpen?.();
      },
      onResponseData(_, chunk) {
        if (onData && status < 300) onData(chunk);
        else pieces.push(chunk);
      },
      onResponseEnd() {
        signal.removeEventListener("abort", abort);
        resolve({ status, headers, text: Buffer.concat(pieces).toString() });
      },
      onResponseError(_, error) {
        fail(error);
      },
    },
  );
  return promise;
}
