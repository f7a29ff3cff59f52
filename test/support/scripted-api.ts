import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { Agent, type Dispatcher, request } from "undici";
import type { Access } from "./cluster/access.ts";
import { certificate, privateKey } from "./fake-api-certificate.ts";

export type ApiRequest = Readonly<{ method: string; path: string; query: URLSearchParams; body: string }>;

/** What happens to one request instead of being passed on. */
export type ApiFault =
  /** Nothing is done. */
  | Readonly<{ status: number; headers?: Readonly<Record<string, string>>; reason?: string }>
  /** It is done, and the answer says otherwise, or never comes. */
  | Readonly<{ doneThen: number | "lost" }>
  /** It is passed on so many ms later. */
  | Readonly<{ afterMs: number }>
  /** Nothing is done; what was answered then is answered again. */
  | Readonly<{ answer: string }>;

/** A real API server that can be made to say what it does not say by itself. */
export interface ScriptedApi extends AsyncDisposable {
  readonly port: number;
  /** PEM of its certificate. */
  readonly ca: string;
  /** Judges each request; the latest one that is set counts. */
  set(judge: (request: ApiRequest) => ApiFault | undefined): void;
  /** What watches get of each of their lines: itself, nothing, twice … */
  setLines(edit: (line: string, request: ApiRequest) => readonly string[]): void;
  /** The whole answer to each good GET goes here, too. */
  onAnswer(listener: (request: ApiRequest, text: string) => void): void;
}

type Forward = Readonly<{ url: string; dispatcher: Agent }>;

/** Stands before `plane` on a free port: everything is passed on, with the credentials that it came with. */
export async function startScriptedApi(plane: Pick<Access, "url" | "ca">): Promise<ScriptedApi> {
  const to: Forward = { url: plane.url, dispatcher: new Agent({ connect: { ca: plane.ca }, bodyTimeout: 0, headersTimeout: 0 }) };
  const sockets = new Set<Socket>();
  let judge: (request: ApiRequest) => ApiFault | undefined = () => undefined;
  let lines: (line: string, request: ApiRequest) => readonly string[] = (line) => [line];
  let heard: (request: ApiRequest, text: string) => void = () => {};

  const serve = async (from: IncomingMessage, response: ServerResponse, signal: AbortSignal) => {
    const asked = await read(from);
    const fault = judge(asked);
    if (fault && "status" in fault) return refuse(response, fault);
    if (fault && "answer" in fault) return answer(response, 200, fault.answer);
    if (fault && "afterMs" in fault) await pause(fault.afterMs, undefined, { signal });
    const got = await forward(to, from, asked, signal);
    if (asked.query.get("watch") === "true" && got.statusCode === 200) return stream(asked, got, response, signal);
    const text = await got.body.text();
    if (fault && "doneThen" in fault) {
      if (fault.doneThen === "lost") return void from.socket.destroy();
      return refuse(response, { status: fault.doneThen });
    }
    if (from.method === "GET" && got.statusCode === 200) heard(asked, text);
    answer(response, got.statusCode, text);
  };

  /** No faster than it is read: what piles up here piles up without bound. */
  const stream = async (asked: ApiRequest, got: Dispatcher.ResponseData, response: ServerResponse, signal: AbortSignal) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    for await (const line of createInterface({ input: got.body })) {
      for (const one of lines(line, asked)) if (!response.write(`${one}\n`)) await once(response, "drain", { signal });
    }
    response.end();
  };

  // HTTP/1.1: a stream of HTTP/2 that its client gives up in the midst of an answer can send Node's server into a loop in native code,
  // which takes all memory that there is (Http2Session::SendPendingData, seen with 24.21).
  const server = createServer({ key: privateKey, cert: certificate }, (from, response) => {
    // What nobody waits for any more ends at once, also while it is delayed.
    const closed = new AbortController();
    response.on("close", () => closed.abort());
    serve(from, response, closed.signal).catch(() => {
      if (!closed.signal.aborted) from.socket.destroy();
    });
  });
  server.on("connection", (socket: Socket) => {
    sockets.add(socket.on("close", () => sockets.delete(socket)).on("error", () => {}));
  });
  server.on("tlsClientError", () => {});
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    port: (server.address() as AddressInfo).port,
    ca: certificate,
    set: (next) => {
      judge = next;
    },
    setLines: (next) => {
      lines = next;
    },
    onAnswer: (listener) => {
      heard = listener;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await to.dispatcher.destroy();
    },
  };
}

async function read(from: IncomingMessage): Promise<ApiRequest> {
  const pieces: Buffer[] = [];
  for await (const piece of from) pieces.push(piece as Buffer);
  const { pathname, searchParams } = new URL(from.url ?? "/", "https://localhost");
  return { method: from.method ?? "GET", path: pathname, query: searchParams, body: Buffer.concat(pieces).toString() };
}

function forward({ url, dispatcher }: Forward, { url: path, headers }: IncomingMessage, asked: ApiRequest, signal: AbortSignal) {
  const passed = Object.entries(headers).filter(([name]) => !name.startsWith(":") && !hopByHop.has(name));
  return request(`${url}${path}`, {
    ...{ dispatcher, signal },
    method: asked.method as Dispatcher.HttpMethod,
    headers: Object.fromEntries(passed) as Record<string, string>,
    ...(asked.body === "" ? {} : { body: asked.body }),
  });
}

const hopByHop = new Set(["host", "connection", "content-length", "transfer-encoding", "keep-alive", "te", "upgrade"]);

function answer(response: ServerResponse, status: number, text: string, headers: Readonly<Record<string, string>> = {}) {
  if (response.writableEnded) return;
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(text);
}

function refuse(response: ServerResponse, { status, headers, reason }: Extract<ApiFault, { status: number }>): void {
  const body = { kind: "Status", apiVersion: "v1", status: "Failure", reason, message: `scripted ${status}`, code: status };
  answer(response, status, JSON.stringify(body), headers);
}
