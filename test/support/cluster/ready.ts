import { setTimeout as pause } from "node:timers/promises";
import { Agent, request } from "undici";

const READY_MS = 120_000;

/** Resolves at the first 200 of a URL; rejects with the signal's reason, or when it takes too long. */
export async function until(url: string, signal: AbortSignal, ca?: string, token?: string): Promise<void> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(READY_MS)]);
  const dispatcher = new Agent({ connect: ca === undefined ? {} : { ca }, connections: 1 });
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  try {
    for (;;) {
      const status = await request(url, { dispatcher, headers, signal: limit }).then(
        async ({ statusCode, body }) => {
          await body.dump();
          return statusCode;
        },
        () => 0, // it does not listen yet
      );
      if (status === 200) return;
      await pause(50, undefined, { signal: limit });
    }
  } finally {
    await dispatcher.destroy();
  }
}
