import { setTimeout as pause } from "node:timers/promises";
import { Agent, request } from "undici";

const READY_MS = 120_000;
/** A question that is not answered within it is asked anew, on another connection. */
const ANSWER_MS = 5_000;

/** Resolves at the first 200 of a URL; rejects with the signal's reason, or with the last answer when it takes too long. */
export async function until(url: string, signal: AbortSignal, ca?: string, token?: string): Promise<void> {
  const timeouts = { headersTimeout: ANSWER_MS, bodyTimeout: ANSWER_MS };
  // Not HTTP/2: a stream that is lost while its session lives on has no end.
  const dispatcher = new Agent({ ...timeouts, allowH2: false, connect: ca === undefined ? {} : { ca }, connections: 1 });
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const end = performance.now() + READY_MS;
  try {
    for (;;) {
      const answer = await request(url, { dispatcher, headers, signal }).then(
        async ({ statusCode, body }) =>
          statusCode === 200 ? body.dump().then(() => "ready") : `${statusCode} ${await body.text()}`,
        (error: unknown) => String(error), // it does not listen yet
      );
      if (answer === "ready") return;
      if (performance.now() > end) throw new Error(`not ready in ${READY_MS} ms: ${answer}`);
      await pause(50, undefined, { signal });
    }
  } finally {
    await dispatcher.destroy();
  }
}
