import { once } from "node:events";
import { createServer } from "node:net";

/** Below those that systems give to outgoing connections (from 32768 on Linux, 49152 elsewhere). */
const [lowest, highest] = [10_240, 19_999] as const;
const tries = 50;

/**
 * A port of the loopback that was free a moment ago, and that nobody else who asks here gets as long as this process lives:
 * not while its server is about to start, and not while it is down. Never one that a connection may get by itself: it would
 * be taken while its server is away, and who dials it meanwhile could even be connected to itself.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest + 1));
    try {
      await claim(port);
      const server = createServer().listen(port, "127.0.0.1");
      await once(server, "listening");
      server.close();
      await once(server, "close");
      return port;
    } catch (cause) {
      if (attempt === tries) throw new Error("looking for a free port", { cause });
    }
  }
}

/** By a socket of that name, which needs no file and goes with this process: Linux has such, and elsewhere luck has to do. */
async function claim(port: number): Promise<void> {
  if (process.platform !== "linux") return;
  const socket = createServer().listen(`\0worktide-port-${port}`);
  await once(socket, "listening");
  socket.unref();
}
