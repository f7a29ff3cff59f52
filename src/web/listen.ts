import { createServer, type Server } from "node:http";
import { getRequestListener } from "@hono/node-server";

/** A port that is being served. */
export interface Listening extends AsyncDisposable {
  /** "http://127.0.0.1:8484", with the port that was found for port 0. */
  readonly url: string;
  readonly port: number;
}

/** Who asks. */
export type Caller = Readonly<{
  /** It came over the loopback: from this machine, or from within this pod, as `kubectl port-forward` does. */
  near: boolean;
}>;

export type ListenAddress = Readonly<{
  /** Default 127.0.0.1: nothing outside this machine reaches it. */
  host?: string;
  /** 0: any free one. */
  port: number;
}>;

/**
 * Serves until `signal` fires or it is disposed of; then new requests are refused, and after half a second
 * what is still open is cut: a stream never ends by itself, unless its web was disposed of before.
 * Throws when the port cannot be had, saying which and what to do.
 */
export async function listen(
  handler: (request: Request, caller: Caller) => Promise<Response>,
  { host = "127.0.0.1", port }: ListenAddress,
  signal: AbortSignal,
): Promise<Listening> {
  signal.throwIfAborted();
  // Node's own Request and Response stay in place for everybody else.
  const answer = getRequestListener(
    (request, { incoming }) => handler(request, { near: isNear(incoming.socket.remoteAddress) }),
    { overrideGlobalObjects: false, hostname: host },
  );
  const server = createServer(
    {
      // A header that takes longer than this is an attack or a dead client: it must not keep a probe out for long.
      headersTimeout: 5_000,
      connectionsCheckingInterval: 1_000, // Node's default of 30 s lets it take as much longer
      requestTimeout: 30_000,
      keepAliveTimeout: 5_000,
      maxHeaderSize: 16 * 1024,
    },
    (incoming, outgoing) => void answer(incoming, outgoing),
  );
  server.maxConnections = 512;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => reject(new Error(reasonOf(cause, host, port), { cause })));
    server.listen({ host, port }, resolve);
  });
  const address = server.address();
  const taken = typeof address === "object" && address !== null ? address.port : port;
  let closed: Promise<void> | undefined;
  const close = () => (closed ??= closeServer(server));
  signal.addEventListener("abort", () => void close(), { once: true });
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${taken}`,
    port: taken,
    [Symbol.asyncDispose]: close,
  };
}

/** Just these: what a service mesh hands on has other addresses of 127.0.0.0/8. */
const isNear = (address = ""): boolean => ["127.0.0.1", "::1", "::ffff:127.0.0.1"].includes(address);

async function closeServer(server: Server): Promise<void> {
  const cut = setTimeout(() => server.closeAllConnections(), 500);
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
  clearTimeout(cut);
}

function reasonOf({ code, message }: NodeJS.ErrnoException, host: string, port: number): string {
  const where = `${host}:${port}`;
  if (code === "EADDRINUSE")
    return `cannot listen on ${where}: another program has that port; choose another, or 0 for any free one`;
  if (code === "EACCES") return `cannot listen on ${where}: ports under 1024 need more rights; choose a higher one`;
  if (code === "EADDRNOTAVAIL") return `cannot listen on ${where}: this machine has no such address`;
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return `cannot listen on ${where}: the name is not known`;
  return `cannot listen on ${where}: ${message}`;
}
