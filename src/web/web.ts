import type { Context } from "hono";
import { Hono } from "hono";
import {
  type Readiness,
  type SnapshotSource,
  type Subscribe,
  type WorkerSnapshot,
  workerKey,
} from "../control/worker-snapshot.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { History } from "../telemetry/record.ts";
import { redactor as processRedactor, type Redactor } from "../telemetry/redact.ts";
import { hostAllowed } from "./hosts.ts";
import type { Caller } from "./listen.ts";
import { createLive } from "./live.ts";
import type { Page } from "./page.ts";

export type WebOptions = Readonly<{
  snapshot: SnapshotSource;
  record: Pick<History, "lines">;
  metrics: Pick<Metrics, "scrape">;
  /** Tells when something may look different; subscribed to only while somebody looks. */
  events: Subscribe;
  page: Page;
  /** What concerns no single worker and needs somebody, one sentence each. Default: nothing. */
  notices?: () => readonly string[];
  /** Ready to answer of use: documents are in force. Default: always. */
  ready?: () => Readiness;
  /** The public path prefix, "" or "/worktide". */
  basePath?: string;
  /** Names that a Host header may carry besides loopback names and addresses. */
  hosts?: readonly string[];
  /** Only who comes over the loopback gets the page and the API; metrics and probes are for everybody. Default: false. */
  nearOnly?: boolean;
  version?: string;
  redactor?: Redactor;
  wallClock?: () => number;
  /** A fault of our own while answering: for the log. */
  failed?: (doing: string, cause: unknown) => void;
  live?: Readonly<{ gatherMs?: number; beatMs?: number; lagBytes?: number; mostViewers?: number }>;
}>;

/** Answers requests, and ends its streams when it is disposed of. */
export interface Web extends Disposable {
  /** `caller`: default a near one. */
  fetch(request: Request, caller?: Caller): Promise<Response>;
  viewers(): number;
}

/** Nothing inline, nothing from elsewhere, in no frame. uPlot sets styles by script, which this allows. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const headers: Readonly<Record<string, string>> = {
  "content-security-policy": policy,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
};

/** What Prometheus and the kubelet ask for. */
const forAll: ReadonlySet<string> = new Set(["/metrics", "/healthz", "/readyz"]);

/** The page, the read-only API, metrics and probes. It changes nothing whatever it is asked. */
export function createWeb(options: WebOptions): Web {
  const {
    snapshot,
    record,
    metrics,
    page,
    hosts = [],
    nearOnly = false,
    redactor = processRedactor,
    failed = () => {},
    notices = () => [],
  } = options;
  const { version = "unknown", ready = () => ({ ready: true, message: "ready" }), wallClock = Date.now } = options;
  const basePath = (options.basePath ?? "").replace(/\/+$/, "");
  const live = createLive({
    source: snapshot,
    subscribe: options.events,
    redact: redactor.redactJson,
    wallClock,
    ...options.live,
  });
  const app = new Hono<{ Bindings: Caller }>();

  const json = (c: Context, data: unknown, status: 200 | 403 | 404 | 405 | 421 | 500 | 503 = 200) =>
    c.body(`${redactor.redactJson(JSON.stringify(data))}\n`, status, {
      "content-type": "application/json; charset=utf-8",
      "cache-control": "no-store",
    });
  const error = (c: Context, status: 403 | 404 | 405 | 421 | 500 | 503, text: string) => json(c, { error: text }, status);

  app.use(async (c, next) => {
    const host = c.req.header("host") ?? new URL(c.req.url).host;
    if (!hostAllowed(host, hosts)) {
      c.res = error(c, 421, "this name is not served here: name it with --allow-host, or use the address");
    } else if (c.req.method !== "GET" && c.req.method !== "HEAD") {
      c.res = error(c, 405, "this is read-only: GET and HEAD are answered");
      c.res.headers.set("allow", "GET, HEAD");
    } else if (nearOnly && !c.env.near && !forAll.has(c.req.path.slice(basePath.length))) {
      c.res = error(
        c,
        403,
        "the page is served over the loopback only: use kubectl port-forward, or start the controller with --page network",
      );
    } else await next();
    for (const [name, value] of Object.entries(headers)) c.res.headers.set(name, value);
  });
  app.notFound((c) => error(c, 404, "there is nothing at this address"));
  app.onError((cause, c) => {
    failed(`answering ${c.req.path}`, cause);
    return error(c, 500, "a fault of our own: the log tells more");
  });

  const at = basePath === "" ? app : app.basePath(basePath);
  at.get("/metrics", async (c) => {
    const { body, contentType } = await metrics.scrape();
    return c.body(body, 200, { "content-type": contentType, "cache-control": "no-store" });
  });
  at.get("/healthz", (c) => json(c, { ok: true, version }));
  at.get("/readyz", (c) => {
    const state = ready();
    return json(c, state, state.ready ? 200 : 503);
  });
  at.get("/api/v1/workers", (c) =>
    json(c, { generatedAt: new Date(wallClock()).toISOString(), notices: notices(), workers: snapshot.workers() }),
  );
  at.get("/api/v1/workers/:namespace/:name", (c) => {
    const { namespace, name } = c.req.param();
    const worker = snapshot.worker(namespace, name);
    if (worker === undefined) return error(c, 404, noWorker(snapshot.workers(), namespace, name));
    return json(c, { ...worker, series: snapshot.series(namespace, name, 0) });
  });
  at.get("/api/v1/connections", (c) =>
    json(c, { generatedAt: new Date(wallClock()).toISOString(), connections: snapshot.connections() }),
  );
  at.get("/api/v1/history/:namespace/:name", (c) => {
    const { namespace, name } = c.req.param();
    const lines = record.lines(workerKey(namespace, name));
    if (lines === undefined) return error(c, 404, noWorker(snapshot.workers(), namespace, name));
    // The record redacts its lines itself.
    return c.body(lines.map((line) => `${line}\n`).join(""), 200, {
      "content-type": "application/jsonl; charset=utf-8",
      "cache-control": "no-store",
    });
  });
  at.get("/api/v1/events", (c) => {
    // Another site's page could not read it, but could take all places of viewers.
    if (c.req.header("sec-fetch-site") === "cross-site") return error(c, 403, "pages of other sites are not served");
    if (c.req.method === "HEAD") return c.body(null, 200, eventHeaders);
    const stream = live.open();
    return stream === undefined ? error(c, 503, "there are too many viewers") : c.body(stream, 200, eventHeaders);
  });
  // Relative addresses of the page need the slash at the end of the base path.
  if (basePath !== "") app.get(basePath, (c) => c.body(null, 308, { location: `${basePath.split("/").at(-1)}/` }));
  for (const [path, asset] of page) {
    app.get(`${basePath}/${path}`, (c) => {
      const caching = { etag: asset.etag, "cache-control": "no-cache" };
      if (c.req.header("if-none-match") === asset.etag) return c.body(null, 304, caching);
      return c.body(asset.body, 200, { ...caching, "content-type": asset.type });
    });
  }

  return {
    fetch: async (request, caller = { near: true }) => app.fetch(request, caller),
    viewers: () => live.viewers(),
    [Symbol.dispose]: () => live[Symbol.dispose](),
  };
}

/** `x-accel-buffering`: nginx would hold the events back. */
const eventHeaders = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-store, no-transform",
  "x-accel-buffering": "no",
};

/** Who leaves the namespace out asks for the default one. */
function noWorker(workers: readonly WorkerSnapshot[], namespace: string, name: string): string {
  const elsewhere = workers.filter((worker) => worker.name === name).map((worker) => `${worker.namespace}/${name}`);
  const way = elsewhere.length === 0 ? "" : `; there is ${elsewhere.slice(0, 3).join(", ")}`;
  return `there is no ScaledWorker ${name} in namespace ${namespace}${way}`;
}
