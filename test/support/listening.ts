import { once } from "node:events";
import type { Server } from "node:net";

/** The server, once it listens on a free port of the loopback. */
export async function listening<Kind extends Server>(server: Kind): Promise<Kind> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}
