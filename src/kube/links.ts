import { createHash } from "node:crypto";
import type { ConnectionOptions } from "node:tls";
import { type Dispatcher, errors, Pool, ProxyAgent } from "undici";
import type { Credentials, Login } from "./access.ts";
import { accountOwner } from "./account.ts";
import { type Answer, DeadlinePassed, exchange, LostExchange, type Outgoing } from "./exchange.ts";
import { createGate } from "./gate.ts";
import { KubeError, type OwnerReference } from "./kube.ts";
import { until } from "./wait.ts";

/** What a request is for: each of these has sockets of its own. */
export type LinkUse =
  /** Everything but the others: one HTTP/2 session. */
  | "calls"
  /** Streams that stay open: replacing the session of calls that time out does not end them. */
  | "watches"
  /** HTTP/1.1, so that a request that was given up takes its socket with it: leadership never waits for a dead session. */
  | "lease";

/** Sockets and credentials, shared by every request. */
export type Links = AsyncDisposable &
  Readonly<{
    /**
     * Sends with the credentials of this moment. `path` is the API server's; `headers` come on top of ours. Rejects with
     * LostExchange, with the signal's reason, or with an Error when there are no credentials.
     */
    send(use: LinkUse, outgoing: Omit<Outgoing, "origin">, signal: AbortSignal): Promise<Answer>;
    /** The server does not know our token: it is read anew, at most once per second. */
    forget(): void;
    /** Resolves when there are credentials; rejects with an Error that says why there are none. */
    ready(): Promise<void>;
    namespace(): string | undefined;
    ownerIn(namespace: string): OwnerReference | undefined;
  }>;

export type LinkOptions = Readonly<{
  login: Login;
  userAgent: string;
  /** Monotonic ms. */
  clock: () => number;
  /** Told of credentials that cannot be read while older ones still serve. */
  onProblem: (error: unknown) => void;
}>;

/** The kubelet replaces a token at 80 % of its life; a minute is what client-go allows itself. */
const freshMs = 30_000;
const forgetMs = 1_000;
const connectMs = 4_000;

type Sockets = Readonly<{ key: string; open(use: LinkUse): Dispatcher; of: Record<LinkUse, Dispatcher> }>;

export function createLinks({ login, userAgent, clock, onProblem }: LinkOptions): Links {
  const credentials = createCredentials(login, clock, onProblem);
  /** The lease has a gate of its own: it has its own rhythm, and must not wait for the dice of others. */
  const gates = { shared: createGate(clock), lease: createGate(clock) };
  let sockets: Sockets | undefined;
  let current: Credentials | undefined;

  /** Requests that are on their way end well; nothing new goes there. */
  const retire = (dispatcher: Dispatcher) => void dispatcher.close().catch(onProblem);

  function socketsFor(credentials: Credentials): Sockets {
    if (sockets && current === credentials) return sockets;
    current = credentials;
    const { server, tls, proxy } = credentials;
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

  /** A request timed out, so its session may be dead: the next ones get a new one, those on their way keep theirs. */
  function suspect(use: LinkUse, dispatcher: Dispatcher | undefined): void {
    if (!sockets || sockets.of[use] !== dispatcher) return; // another request said so before
    sockets.of[use] = sockets.open(use);
    retire(dispatcher);
  }

  return {
    async send(use, { path, headers, ...outgoing }, signal) {
      const gate = gates[use === "lease" ? "lease" : "shared"];
      const leave = await gate.pass(signal);
      let dispatcher: Dispatcher | undefined;
      try {
        const now = await until(credentials.read(), signal);
        dispatcher = socketsFor(now).of[use];
        const full: Outgoing = {
          ...outgoing,
          origin: now.server.origin,
          path: `${now.server.pathname.replace(/\/$/, "")}${path}`, // API servers behind a gateway have a path
          headers: { ...now.headers, accept: "application/json", "user-agent": userAgent, ...headers },
          onOpen() {
            gate.reached();
            outgoing.onOpen?.();
          },
        };
        const answer = await exchange(dispatcher, full, signal);
        gate.reached();
        return answer;
      } catch (error) {
        if (isUnreachable(error) && !signal.aborted) gate.missed();
        if (error instanceof LostExchange && isSilence(error.cause)) suspect(use, dispatcher);
        throw error;
      } finally {
        leave();
      }
    },
    forget: credentials.forget,
    ready: async () => void (await credentials.read()),
    namespace: credentials.namespace,
    ownerIn: credentials.ownerIn,
    async [Symbol.asyncDispose]() {
      await Promise.all(Object.values(sockets?.of ?? {}).map((dispatcher) => dispatcher.destroy()));
    },
  };
}

/** Of a fenced write the deadline may come before undici's own. */
const isSilence = (cause: unknown) => cause instanceof errors.HeadersTimeoutError || cause instanceof DeadlinePassed;

/** It never left this process, and not because we kept it. */
const isUnreachable = (error: unknown) => error instanceof LostExchange && !error.sent && !(error.cause instanceof KubeError);

/** Reads credentials at most every {@link freshMs}, for all who ask at once. */
function createCredentials(login: Login, clock: () => number, onProblem: (error: unknown) => void) {
  let known: Readonly<{ credentials: Credentials; readAt: number }> | undefined;
  let reading: Promise<Credentials> | undefined;
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

  return {
    read(): Promise<Credentials> {
      if (known && clock() - known.readAt < freshMs) return Promise.resolve(known.credentials);
      reading ??= read();
      return reading;
    },
    forget() {
      if (clock() - forgottenAt < forgetMs) return;
      forgottenAt = clock();
      login.forget();
      if (known) known = { ...known, readAt: Number.NEGATIVE_INFINITY };
    },
    namespace: () => known?.credentials.namespace,
    ownerIn: (namespace: string) => known && accountOwner(known.credentials, namespace),
  };
}

function openSockets(server: URL, tls: ConnectionOptions, proxy: string | undefined, allowH2: boolean): Dispatcher {
  const options = { allowH2, keepAliveTimeout: 60_000 };
  const secured = { ...tls, allowH2, keepAlive: true, keepAliveInitialDelay: 30_000, timeout: connectMs } as object;
  if (proxy === undefined) return new Pool(server.origin, { ...options, connect: secured });
  if (/^(https?|socks5?):/.test(proxy)) return new ProxyAgent({ ...options, uri: proxy, requestTls: secured });
  throw new Error(`\`proxy-url\` must begin with http:, https: or socks5:, not '${proxy.split(":")[0]}'`);
}
