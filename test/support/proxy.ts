import { createConnection, createServer, type Server, type Socket } from "node:net";
import { freePort } from "../../src/services/free-port.ts";

/** What the proxy does to connections. All but `pass` and `refuse` keep TCP itself alive and well. */
export type ProxyMode =
  | Readonly<{ kind: "pass" }>
  /** Nobody listens. Connections that are open stay open. */
  | Readonly<{ kind: "refuse" }>
  /** Takes new connections and resets them at once, as a gateway does whose server is gone; so dials can be counted. */
  | Readonly<{ kind: "reset" }>
  /** Takes connections and forwards nothing, old ones and new ones: a host that has gone silent. */
  | Readonly<{ kind: "hole" }>
  /** As `hole` for those that are open now; new ones pass: half-open connections behind a NAT. */
  | Readonly<{ kind: "freeze" }>
  /** As `hole` for new ones; those that are open now pass: the handshake never ends. */
  | Readonly<{ kind: "mute" }>
  /** Every piece of an answer comes so much later, ms. */
  | Readonly<{ kind: "delay"; ms: number }>
  /** Answers trickle at so many bytes per second. */
  | Readonly<{ kind: "slow"; bytesPerSecond: number }>
  /** After so many more bytes of answers the connection is cut. */
  | Readonly<{ kind: "truncate"; bytes: number }>
  /** Each piece of an answer goes through `edit`; what that returns is sent. */
  | Readonly<{ kind: "edit"; edit: (piece: Buffer) => Buffer }>;

/** A TCP proxy in the test's own process. */
export interface TestProxy extends AsyncDisposable {
  readonly port: number;
  set(mode: ProxyMode): Promise<void>;
  /** Resets every open connection (RST), or ends it in order (FIN). */
  cut(how?: "rst" | "fin"): void;
  /** Connections that are open now. */
  open(): number;
  /** Connections that were asked for so far; with `refuse` nobody can count them. */
  dials(): number;
  /** Resolves at the `k`th request from now on, which is forwarded no more. */
  request(k: number): Promise<void>;
}

type Pair = Readonly<{
  client: Socket;
  server: Socket;
  frozen: () => boolean;
  /** Hands a piece of an answer on after so many ms, and never before the piece that came before it. */
  later: (piece: Buffer, ms: number) => void;
}>;

/** Listens on a free port of the loopback and passes everything on to `port`. `onDial` is called for each connection. */
export async function startProxy(target: () => number, onDial: () => void = () => {}): Promise<TestProxy> {
  const pairs = new Set<Pair>();
  let mode: ProxyMode = { kind: "pass" };
  let modeSince = 0;
  let dials = 0;
  let awaited: { left: number; reached: () => void } | undefined;
  /** Counts up instead of a clock: which came first is all that is asked. */
  let moment = 0;

  const accept = (client: Socket) => {
    dials += 1;
    onDial();
    if (mode.kind === "reset") {
      client.on("error", () => {}).resetAndDestroy();
      return;
    }
    const dialledAt = ++moment;
    const isNew = () => dialledAt > modeSince;
    const frozen = () => mode.kind === "hole" || (mode.kind === "freeze" && !isNew()) || (mode.kind === "mute" && isNew());
    const server = createConnection({ port: target(), host: "127.0.0.1" });
    const pair: Pair = { client, server, frozen, later: inOrder(server, client, (piece) => forward(pair, client, piece)) };
    pairs.add(pair);
    server.on("drain", () => client.resume());
    client.setNoDelay(true);
    server.setNoDelay(true);
    client.on("data", (piece) => {
      if (awaited === undefined || --awaited.left > 0) {
        forward(pair, server, piece);
        if (server.writableNeedDrain) client.pause();
        return;
      }
      awaited.reached();
      awaited = undefined;
    });
    server.on("data", (piece) => answer(pair, piece));
    // A host that has gone silent does not say goodbye either.
    client.on("end", () => server.end());
    server.on("end", () => frozen() || client.end());
    client.on("close", () => {
      server.destroy();
      pairs.delete(pair);
    });
    server.on("close", () => frozen() || client.destroy());
    client.on("error", () => server.destroy());
    server.on("error", () => frozen() || client.resetAndDestroy());
  };

  const forward = ({ frozen }: Pair, to: Socket, piece: Buffer) => {
    if (!frozen() && to.writable) to.write(piece);
  };

  const answer = (pair: Pair, piece: Buffer) => {
    const { client, later } = pair;
    const present = mode;
    if (present.kind === "slow") trickle(later, piece, present.bytesPerSecond);
    else if (present.kind === "edit") later(present.edit(piece), 0);
    else if (present.kind === "truncate") {
      later(piece.subarray(0, present.bytes), 0);
      mode = { kind: "truncate", bytes: Math.max(0, present.bytes - piece.length) };
      if (piece.length >= present.bytes) client.end();
    } else later(piece, present.kind === "delay" ? present.ms : 0);
  };

  // One that stays its own while it refuses: nobody else listens there then.
  const port = await freePort();
  let server = await listen(port, accept);
  const close = async () => {
    if (!server.listening) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    // It calls back only when the last connection has ended; no longer listening it is at once.
    server.close(() => resolve());
    if (pairs.size === 0) await promise;
  };

  return {
    port,
    async set(next) {
      modeSince = moment;
      mode = next;
      if (next.kind === "refuse") await close();
      else if (!server.listening) server = await listen(port, accept);
    },
    cut(how = "rst") {
      for (const { client, server } of pairs) {
        if (how === "fin") client.end();
        else client.resetAndDestroy();
        server.destroy();
      }
    },
    open: () => pairs.size,
    dials: () => dials,
    request(k) {
      const { promise, resolve } = Promise.withResolvers<void>();
      awaited = { left: k, reached: resolve };
      return promise;
    },
    async [Symbol.asyncDispose]() {
      for (const { client, server } of pairs) {
        client.destroy();
        server.destroy();
      }
      await close();
    },
  };
}

/** So many bytes may wait for their time; more are not read. */
const mostWaiting = 1 << 20;

/** `from` is read no faster than `to` takes it, and what waits here is bounded: it is memory that no heap limit sees. */
function inOrder(from: Socket, to: Socket, give: (piece: Buffer) => void): Pair["later"] {
  let freeAt = 0;
  let waiting = 0;
  const breathe = () => (waiting > mostWaiting || to.writableNeedDrain ? from.pause() : from.resume());
  to.on("drain", breathe);
  return (piece, ms) => {
    const now = performance.now();
    const at = Math.max(freeAt, now + ms);
    freeAt = at;
    waiting += piece.length;
    const pass = () => {
      waiting -= piece.length;
      give(piece);
      breathe();
    };
    if (at <= now) return pass();
    setTimeout(pass, at - now);
    breathe();
  };
}

/** In twenty steps a second. */
function trickle(later: Pair["later"], piece: Buffer, bytesPerSecond: number): void {
  const step = Math.max(1, Math.floor(bytesPerSecond / 20));
  for (let at = 0; at < piece.length; at += step) later(piece.subarray(at, at + step), (at / bytesPerSecond) * 1000);
}

async function listen(port: number, accept: (client: Socket) => void): Promise<Server> {
  const server = createServer({ allowHalfOpen: false }, accept);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(port, "127.0.0.1", resolve);
  await promise;
  return server;
}

/** Bytes of the first whole reply in `buffer` (RESP2 and RESP3), or undefined when it is not whole. */
export function replyLength(buffer: Buffer, from = 0): number | undefined {
  const end = buffer.indexOf("\r\n", from);
  if (end === -1) return undefined;
  const type = String.fromCharCode(buffer[from] ?? 0);
  const head = end + 2 - from;
  const count = Number(buffer.toString("latin1", from + 1, end));
  if ("$=!".includes(type)) {
    const whole = count < 0 ? head : head + count + 2;
    return from + whole <= buffer.length ? whole : undefined;
  }
  if (!"*~>%|".includes(type)) return head;
  let length = head;
  const parts = Math.max(0, count) * ("%|".includes(type) ? 2 : 1);
  for (let part = 0; part < parts; part++) {
    const next = replyLength(buffer, from + length);
    if (next === undefined) return undefined;
    length += next;
  }
  return length;
}

/** Removes the first reply of a piece: every later answer then belongs to the question before its own. */
export function dropFirstReply(piece: Buffer): Buffer {
  const length = replyLength(piece);
  return length === undefined ? piece : piece.subarray(length);
}

/** Puts a reply that nobody asked for in front: every later answer then belongs to the question after its own. */
export function insertReply(piece: Buffer): Buffer {
  return Buffer.concat([Buffer.from(":7\r\n"), piece]);
}

/** Makes the first byte one that no reply begins with. */
export function garble(piece: Buffer): Buffer {
  const copy = Buffer.from(piece);
  copy[0] = 0x40;
  return copy;
}
