import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse, type ServerHttp2Session } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { certificate, privateKey } from "./fake-api-certificate.ts";
import { createStore, isWithin, Refusal, type Store, type Stored, type StoredEvent } from "./fake-api-store.ts";

export type FakeRequest = Readonly<{
  method: string;
  path: string;
  query: URLSearchParams;
  headers: Http2ServerRequest["headers"];
  body: unknown;
}>;

/** What happens to one request instead of a good answer. */
export type Fault =
  | Readonly<{ status: number; headers?: Readonly<Record<string, string>>; reason?: string; message?: string }>
  /** It is done, and the answer says otherwise, or never comes. */
  | Readonly<{ doneThen: number | "lost" }>
  /** Nothing is done, and this is answered with 200. */
  | Readonly<{ page: string }>
  /** The socket is cut before anything is done. */
  | "cut"
  /** It is done after so many ms; `Infinity`: never. */
  | Readonly<{ afterMs: number }>
  /** Nothing is done; the answer is a good one, from a server that stands still. */
  | Readonly<{ answer: object }>
  /** Lists are answered with what there was then. */
  | Readonly<{ list: readonly Stored[]; version: number }>;

/** A scripted API server over TLS, HTTP/2 and HTTP/1.1: for what a real one cannot be made to do. */
export interface FakeApi extends AsyncDisposable {
  readonly store: Store;
  readonly kubeconfig: string;
  readonly port: number;
  readonly requests: readonly FakeRequest[];
  /** The name that each handshake asked for. */
  readonly serverNames: readonly (string | undefined)[];
  /** Sockets taken so far. */
  dials(): number;
  /** Judges each request; the latest one that is set counts. */
  set(judge: (request: FakeRequest) => Fault | undefined): void;
  /** Called between the deed and its answer, which waits for it. */
  setAfter(after: (request: FakeRequest) => Promise<void> | undefined): void;
  /** What watches get of each event: itself, nothing, twice …; strings go out as they are. */
  setFrames(edit: (event: StoredEvent) => readonly (StoredEvent | string)[]): void;
  /** What a group version holds, by its path. */
  setDiscovery(path: string, resources: readonly object[]): void;
  /** To every open watch, as it is. */
  send(text: string): void;
  watches(): number;
  /** Ends every open watch in order. */
  endWatches(): void;
  goaway(code: number): void;
  cutAll(): void;
  /** Takes connections and cuts them at once, the open ones too, until {@link resume}. */
  pause(): void;
  resume(): void;
}

export type FakeApiOptions = Readonly<{
  /** What it takes as a bearer token. */
  token?: () => string;
  /** It takes those who show {@link certificate} instead. */
  byCertificate?: boolean;
}>;

export async function startFakeApi(options: FakeApiOptions = {}): Promise<FakeApi> {
  const { token = () => "test-token", byCertificate = false } = options;
  const store = createStore();
  const requests: FakeRequest[] = [];
  const serverNames: (string | undefined)[] = [];
  const sockets = new Set<Socket>();
  const sessions = new Set<ServerHttp2Session>();
  const streams = new Set<Http2ServerResponse>();
  const discovery = new Map<string, readonly object[]>();
  let dials = 0;
  let paused = false;
  let judge: (request: FakeRequest) => Fault | undefined = () => undefined;
  let after: (request: FakeRequest) => Promise<void> | undefined = () => undefined;
  let frames: (event: StoredEvent) => readonly (StoredEvent | string)[] = (event) => [event];

  async function serve(request: Http2ServerRequest, response: Http2ServerResponse): Promise<void> {
    const seen = await read(request);
    requests.push(seen);
    if (!byCertificate && seen.headers.authorization !== `Bearer ${token()}`) return refuse(response, { status: 401 });
    const fault = judge(seen);
    if (fault === "cut") return cut(request);
    if (fault && "page" in fault) return void response.end(fault.page);
    if (fault && "status" in fault) return refuse(response, fault);
    if (fault && "answer" in fault) return respond(response, 200, fault.answer);
    if (fault && "afterMs" in fault) {
      if (fault.afterMs === Number.POSITIVE_INFINITY) return;
      await new Promise((resolve) => setTimeout(resolve, fault.afterMs));
    }
    if (seen.query.get("watch") === "true") return stream(seen, response);
    const old = fault && "list" in fault ? fault : undefined;
    const resources = discovery.get(seen.path);
    if (resources) return respond(response, 200, { kind: "APIResourceList", resources });
    const answer = perform(store, seen, old);
    await after(seen);
    if (fault && "doneThen" in fault) {
      if (fault.doneThen === "lost") return cut(request);
      return refuse(response, { status: fault.doneThen });
    }
    respond(response, seen.method === "POST" ? 201 : 200, answer);
  }

  function stream({ path: collection, query }: FakeRequest, response: Http2ServerResponse): void {
    const name = /^metadata\.name=(.+)$/.exec(query.get("fieldSelector") ?? "")?.[1];
    const write = (event: StoredEvent) => {
      if (!isWithin(collection, event.collection) || (name && event.object.metadata.name !== name)) return;
      for (const frame of frames(event)) response.write(typeof frame === "string" ? frame : lineOf(frame.type, frame.object));
    };
    const past = store.since(collection, Number(query.get("resourceVersion")));
    response.writeHead(200, { "content-type": "application/json" });
    (response as unknown as ServerResponse).flushHeaders(); // node:http2 has it too; its types do not
    streams.add(response);
    for (const event of past) write(event);
    const stop = store.onEvent(write);
    response.on("close", () => {
      stop();
      streams.delete(response);
    });
  }

  const tls = { key: privateKey, cert: certificate };
  const server = createSecureServer(
    { ...tls, allowHTTP1: true, ...(byCertificate ? { ca: certificate, requestCert: true } : {}) },
    (request, response) => {
      serve(request, response).catch((error: unknown) => {
        if (error instanceof Refusal) refuse(response, error);
        else refuse(response, { status: 500, message: String(error) });
      });
    },
  );
  server.on("connection", (socket: Socket) => {
    dials += 1;
    if (paused) socket.destroy();
    sockets.add(socket.on("close", () => sockets.delete(socket)).on("error", () => {}));
  });
  server.on("secureConnection", (socket) => serverNames.push(socket.servername || undefined));
  server.on("tlsClientError", () => {});
  server.on("session", (session) => sessions.add(session.on("close", () => sessions.delete(session)).on("error", () => {})));
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const folder = await mkdtemp(path.join(tmpdir(), "worktide-fake-api-"));
  const kubeconfig = path.join(folder, "kubeconfig");
  await writeFile(kubeconfig, kubeconfigFor(port, token()));

  const cutAll = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    store,
    kubeconfig,
    port,
    requests,
    serverNames,
    dials: () => dials,
    set: (next) => {
      judge = next;
    },
    setAfter: (next) => {
      after = next;
    },
    setFrames: (next) => {
      frames = next;
    },
    setDiscovery: (at, resources) => discovery.set(at, resources),
    send: (text) => {
      for (const response of streams) response.write(text);
    },
    watches: () => streams.size,
    endWatches: () => {
      for (const response of streams) response.end();
    },
    goaway: (code) => {
      for (const session of sessions) session.goaway(code);
    },
    cutAll,
    pause: () => {
      paused = true;
      cutAll();
    },
    resume: () => {
      paused = false;
    },
    async [Symbol.asyncDispose]() {
      cutAll();
      await new Promise((resolve) => server.close(resolve));
      await rm(folder, { recursive: true });
    },
  };
}

/** The line of a watch. */
export const lineOf = (type: string, object: unknown) => `${JSON.stringify({ type, object })}\n`;

/** A bookmark that says: you know everything up to here. */
export const bookmark = (version: number | string) => lineOf("BOOKMARK", { metadata: { resourceVersion: String(version) } });

async function read(request: Http2ServerRequest): Promise<FakeRequest> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  const text = Buffer.concat(pieces).toString();
  const url = new URL(request.url, "https://localhost");
  const { method, headers } = request;
  return { method, path: url.pathname, query: url.searchParams, headers, body: text === "" ? undefined : JSON.parse(text) };
}

function cut(request: Http2ServerRequest): void {
  (request.stream?.session ?? request.socket).destroy();
}

function respond(
  response: Http2ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (response.writableEnded) return;
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}

function refuse(
  response: Http2ServerResponse,
  refusal: Readonly<{ status: number; headers?: Readonly<Record<string, string>>; reason?: string; message?: string }>,
) {
  const { status, headers, reason, message = `scripted ${status}` } = refusal;
  respond(response, status, { kind: "Status", apiVersion: "v1", status: "Failure", reason, message, code: status }, headers);
}

function perform(
  store: Store,
  { method, path: at, query, body }: FakeRequest,
  old?: Readonly<{ list: readonly Stored[]; version: number }>,
): unknown {
  const { pathname: target, subresource } = split(at);
  if (method === "POST") return store.create(`${at}/${(body as Stored).metadata.name}`, withNamespace(body as Stored, at));
  if (method === "DELETE") return store.remove(target);
  if (method === "PATCH" && Array.isArray(body)) return store.edit(target, body);
  if (method === "PATCH") return store.merge(target, body as object);
  if (method === "PUT" && subresource === "scale") {
    const { metadata, spec } = body as Stored & { spec: object };
    const { resourceVersion } = metadata;
    const before = store.found(target);
    return scaleOf(
      store.replace(target, {
        ...before,
        metadata: { ...before.metadata, resourceVersion },
        spec: { ...(before["spec"] as object), ...spec },
      }),
    );
  }
  if (method === "PUT") return store.replace(target, body as object);
  if (at === "/version") return { major: "1" };
  if (subresource === "scale") return scaleOf(store.found(target));
  if (isCollection(at)) return page(old?.list ?? store.list(at), old?.version ?? store.version(), query);
  return store.found(target);
}

const withNamespace = (object: Stored, at: string) => {
  const namespace = /\/namespaces\/([^/]+)\//.exec(at)?.[1];
  return { ...object, metadata: { ...object.metadata, ...(namespace === undefined ? {} : { namespace }) } };
};

function split(at: string): Readonly<{ pathname: string; subresource?: string }> {
  const found = /^(.*)\/(scale|status)$/.exec(at);
  return found?.[1] === undefined || found[2] === undefined ? { pathname: at } : { pathname: found[1], subresource: found[2] };
}

const isCollection = (at: string) => /^\/(api\/v1|apis\/[^/]+\/[^/]+)(\/namespaces\/[^/]+)?\/[a-z]+$/.test(at);

const scaleOf = ({ metadata, spec }: Stored) => {
  const { replicas } = (spec ?? {}) as { replicas?: number };
  return { apiVersion: "autoscaling/v1", kind: "Scale", metadata, spec: { replicas }, status: { replicas: replicas ?? 0 } };
};

/** `continue` is where the next page begins. */
function page(objects: readonly Stored[], version: number, query: URLSearchParams): unknown {
  const name = /^metadata\.name=(.+)$/.exec(query.get("fieldSelector") ?? "")?.[1];
  const chosen = name ? objects.filter(({ metadata }) => metadata.name === name) : objects;
  const from = Number(query.get("continue") ?? 0);
  const to = from + Number(query.get("limit") ?? chosen.length);
  const more = to < chosen.length ? { continue: String(to) } : {};
  return { metadata: { resourceVersion: String(version), ...more }, items: chosen.slice(from, to) };
}

const kubeconfigFor = (port: number, token: string) =>
  JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      { name: "fake", cluster: { server: `https://127.0.0.1:${port}`, "certificate-authority-data": btoa(certificate) } },
    ],
    users: [{ name: "me", user: { token } }],
    contexts: [{ name: "fake", context: { cluster: "fake", user: "me", namespace: "shop" } }],
    "current-context": "fake",
  });
