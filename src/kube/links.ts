import { createHash } from "node:crypto";
import type { ConnectionOptions } from "node:tls";
import type { Dispatcher } from "undici";
import { Pool, ProxyAgent } from "undici";
import type { Credentials, Login } from "./access.ts";

/** What a request is for: each of these has sockets of its own. */
export type LinkUse =
  /** Everything but the others: one HTTP/2 session. */
  | "calls"
  /** Streams that stay open: replacing the session of calls that time out does not end them. */
  | "watches"
  /** HTTP/1.1, so that a request that was given up takes its socket with it: leadership never waits for a dead session. */
  | "lease";

export type Link = Readonly<{
  dispatcher: Dispatcher;
  origin: string;
  /** Before every path: API servers behind a gateway have one. */
  prefix: string;
  headers: Readonly<Record<string, string>>;
}>;

/** Sockets and credentials, shared by every request. */
export type Links = AsyncDisposable &
  Readonly<{
    open(use: LinkUse): Promise<Link>;
    /** A call timed out: its session may be dead. The next ones get a new one; those on their way keep theirs. */
    suspect(use: LinkUse, dispatcher: Dispatcher): void;
    /** The server does not know our token: it is read anew, at most once per second. */
    forget(): void;
    namespace(): string | undefined;
  }>;

/** The kubelet replaces a token at 80 % of its life; a minute is what client-go allows itself. */
const freshMs = 30_000;
const forgetMs = 1_000;
const connectMs = 4_000;

type Sockets = Readonly<{ key: string; open(use: LinkUse): Dispatcher; of: Record<LinkUse, Dispatcher> }>;

/** `clock` is monotonic, ms. `onProblem` is told of credentials that cannot be read while older ones still serve. */
export function createLinks(login: Login, clock: () => number, onProblem: (error: unknown) => void): Links {
  let known: Readonly<{ credentials: Credentials; readAt: number }> | undefined;
  let reading: Promise<Credentials> | undefined;
  let sockets: Sockets | undefined;
  let forgottenAt = Number.NEGATIVE_INFINITY;

  async function read(): Promise<Credentials> {
    try {
      const credentials = await login.read();
      known = { credentials, readAt: clock() };
      return credentials;
    } catch (error) {
      if (!known) throw error;
      // Out of file handles, or a file between two versions: what worked a moment ago most likely still does.
      known = { ...known, readAt: clock() };
      onProblem(error);
      return known.credentials;
    } finally {
      reading = undefined;
    }
  }

  function credentials(): Promise<Credentials> {
    if (known && clock() - known.readAt < freshMs) return Promise.resolve(known.credentials);
    reading ??= read();
    return reading;
  }

  function socketsFor({ server, tls, proxy }: Credentials): Sockets {
    const key = createHash("sha256")
      .update(JSON.stringify([server.origin, proxy, tls]))
      .digest("hex");
    if (sockets?.key === key) return sockets;
    const old = sockets;
    const open = (use: LinkUse) => openSockets(server, tls, proxy, use !== "lease");
    sockets = { key, open, of: { calls: open("calls"), watches: open("watches"), lease: open("lease") } };
    if (old) for (const dispatcher of Object.values(old.of)) retire(dispatcher);
    return sockets;
  }

  /** Requests that are on their way end well; nothing new goes there. */
  function retire(dispatcher: Dispatcher): void {
    dispatcher.close().catch(onProblem);
  }

  return {
    async open(use) {
      const now = await credentials();
      const { server, headers } = now;
      return { dispatcher: socketsFor(now).of[use], origin: server.origin, prefix: server.pathname.replace(/\/$/, ""), headers };
    },
    suspect(use, dispatcher) {
      if (sockets?.of[use] !== dispatcher) return; // another call said so before
      sockets.of[use] = sockets.open(use);
      retire(dispatcher);
    },
    forget() {
      if (clock() - forgottenAt < forgetMs) return;
      forgottenAt = clock();
      login.forget();
      if (known) known = { ...known, readAt: Number.NEGATIVE_INFINITY };
    },
    namespace: () => known?.credentials.namespace,
    async [Symbol.asyncDispose]() {
      await Promise.all(Object.values(sockets?.of ?? {}).map((dispatcher) => dispatcher.destroy()));
    },
  };
}

function openSockets(server: URL, tls: ConnectionOptions, proxy: string | undefined, allowH2: boolean): Dispatcher {
  const options = { allowH2, keepAliveTimeout: 60_000 };
  const secured = { ...tls, allowH2, keepAlive: true, keepAliveInitialDelay: 30_000, timeout: connectMs } as object;
  if (proxy === undefined) return new Pool(server.origin, { ...options, connect: secured });
  if (/^(https?|socks5?):/.test(proxy)) return new ProxyAgent({ ...options, uri: proxy, requestTls: secured });
  throw new Error(`\`proxy-url\` must begin with http:, https: or socks5:, not '${proxy.split(":")[0]}'`);
}
