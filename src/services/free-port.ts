import { once } from "node:events";
import { createServer } from "node:net";

/** Below those that systems give to outgoing connections (from 32768 on Linux, 49152 elsewhere). */
const [lowest, highest] = [10_240, 19_999] as const;
const tries = 50;

/**
 * A port of the loopback that was free a moment ago. Never one that a connection may get by itself: it would be taken
 * while its server is away, and who dials it meanwhile could even be connected to itself.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest + 1));
    const server = createServer().listen(port, "127.0.0.1");
    try {
      await once(server, "listening");
      server.close();
      await once(server, "close");
      return port;
    } catch (cause) {
      if (attempt === tries) throw new Error("looking for a free port", { cause });
    }
  }
}
