import type { ClientReadableStream } from "@grpc/grpc-js";
import type { Streams } from "./external-client.ts";
import { unimplemented } from "./grpc-problem.ts";

type Open = (name: keyof Streams, request: object) => ClientReadableStream<object>;

export type Listener = Readonly<{
  listen(name: keyof Streams, request: object, hint: () => void): Disposable | undefined;
  stop(): void;
}>;

/** Some servers and gateways allow a hundred calls at once over one connection: the questions need the rest. */
const most = 64;
const shortestMs = 1000;
const longestMs = 30_000;

/** Keeps streams open, and opens them again when they break: less and less often while they tell nothing. */
export function createListener(open: Open): Listener {
  const heard = new Set<Disposable>();

  const listen: Listener["listen"] = (name, request, hint) => {
    if (heard.size >= most) return undefined;
    let call: ClientReadableStream<object> | undefined;
    let timer: NodeJS.Timeout | undefined;
    let failures = 0;
    let ended = false;

    const dial = () => {
      let told = false;
      call = open(name, request);
      call.on("data", () => {
        told = true;
        failures = 0;
        hint();
      });
      call.on("error", () => {}); // the status says the same
      call.on("status", ({ code }) => {
        if (ended || code === unimplemented) return;
        // What it would have told from now on, nobody hears.
        if (told) hint();
        const ms = Math.min(longestMs, shortestMs * 2 ** failures++);
        timer = setTimeout(dial, ms * (0.5 + Math.random() / 2)).unref();
      });
    };
    const own = {
      [Symbol.dispose]() {
        ended = true;
        clearTimeout(timer);
        call?.cancel();
        heard.delete(own);
      },
    };
    heard.add(own);
    dial();
    return own;
  };

  return {
    listen,
    stop() {
      for (const each of [...heard]) each[Symbol.dispose]();
    },
  };
}
