import assert from "node:assert/strict";
import { test } from "node:test";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { createRecord } from "../../src/telemetry/record.ts";
import { createRedactor } from "../../src/telemetry/redact.ts";
import type { Page } from "../../src/web/page.ts";
import type { WebOptions } from "../../src/web/web.ts";
import { createWeb } from "../../src/web/web.ts";
import { createSynthetic, workerOf } from "./synthetic.ts";

const now = Date.parse("2026-01-01T00:00:00Z");
const page: Page = new Map([
  ["", { body: "<!doctype html>", type: "text/html; charset=utf-8", etag: '"a"' }],
  ["assets/app.js", { body: "export {};", type: "text/javascript; charset=utf-8", etag: '"b"' }],
]);

function webOf(over: Partial<WebOptions> = {}) {
  const synthetic = createSynthetic([workerOf(now)], [{ name: "default/main", type: "redis", up: true, triggers: 1, rounds: 3 }]);
  const redactor = createRedactor();
  const record = createRecord({ clock: () => 0, wallClock: () => now, redactor });
  const source = () => ({ workers: synthetic.source.workers(), connections: synthetic.source.connections() });
  const metrics = createMetrics({ source, version: "1", processMetrics: false, redactor });
  const web = createWeb({
    snapshot: synthetic.source,
    events: synthetic.events,
    record,
    metrics,
    page,
    redactor,
    wallClock: () => now,
    live: { gatherMs: 1 },
    ...over,
  });
  const get = (path: string, init?: RequestInit) => web.fetch(new Request(`http://127.0.0.1:8484${path}`, init));
  return { synthetic, record, redactor, web, get };
}

test("Every address answers with what it is for", async () => {
  const { get, record } = webOf();
  record.add({ kind: "spec", worker: "default/mails", generation: 1, detail: "new" });
  const table = [
    ["/", "text/html; charset=utf-8", /doctype/],
    ["/assets/app.js", "text/javascript; charset=utf-8", /export/],
    ["/metrics", "text/plain; version=0.0.4; charset=utf-8", /^worktide_queue_waiting\{.*\} 430$/m],
    ["/healthz", "application/json; charset=utf-8", /"ok":true/],
    ["/readyz", "application/json; charset=utf-8", /"ready":true/],
    ["/api/v1/workers", "application/json; charset=utf-8", /"name":"mails"/],
    ["/api/v1/workers/default/mails", "application/json; charset=utf-8", /"series":\{"t":\[\]/],
    ["/api/v1/connections", "application/json; charset=utf-8", /"default\/main"/],
    ["/api/v1/history/default/mails", "application/jsonl; charset=utf-8", /^\{.*"kind":"spec".*\}\n$/],
  ] as const;
  for (const [path, type, body] of table) {
    const response = await get(path);
    assert.equal(response.status, 200, path);
    assert.equal(response.headers.get("content-type"), type, path);
    assert.match(await response.text(), body, path);
  }
});

test("What is not there is said so as JSON", async () => {
  const { get } = webOf();
  for (const path of [
    "/nothing",
    "/api/v1/workers/default/none",
    "/api/v1/history/default/none",
    "/assets/../web.ts",
    "/api/v1/workers/%E0%A4%A/x",
  ]) {
    const response = await get(path);
    assert.equal(response.status, 404, path);
    assert.equal(typeof ((await response.json()) as { error: string }).error, "string");
  }
});

test("Who leaves the namespace out is told where there is one of that name", async () => {
  const { get, synthetic } = webOf();
  synthetic.set(workerOf(now, { namespace: "shop", name: "letters" }));
  for (const what of ["workers", "history"]) {
    const { error } = (await (await get(`/api/v1/${what}/default/letters`)).json()) as { error: string };
    assert.equal(error, "there is no ScaledWorker letters in namespace default; there is shop/letters");
  }
});

test("A worker with colons and unicode in its name is found", async () => {
  const { get, synthetic } = webOf();
  synthetic.set(workerOf(now, { name: "résumé:high/1" }));
  const response = await get(`/api/v1/workers/default/${encodeURIComponent("résumé:high/1")}`);
  assert.equal(response.status, 200);
});

test("It is read-only: every method that could write is refused", async () => {
  const { get } = webOf();
  for (const method of ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"]) {
    const response = await get("/api/v1/workers", { method });
    assert.equal(response.status, 405, method);
    assert.equal(response.headers.get("allow"), "GET, HEAD");
  }
  const head = await get("/api/v1/workers", { method: "HEAD" });
  assert.equal(head.status, 200);
  assert.equal(await head.text(), "");
});

test("A name that was rebound to us is refused; loopback names, addresses and configured names are served", async () => {
  const { web } = webOf({ hosts: ["worktide.shop.svc"] });
  const table = [
    ["127.0.0.1:8484", 200],
    ["localhost:8484", 200],
    ["demo.localhost", 200],
    ["[::1]:8484", 200],
    ["10.1.2.3:8484", 200],
    ["WORKTIDE.shop.svc.", 200],
    ["evil.example:8484", 421],
    ["localhost.evil.example", 421],
    ["127.0.0.1.evil.example", 421],
    ["a b", 421],
    ["", 421],
  ] as const;
  for (const [host, status] of table) {
    const response = await web.fetch(new Request("http://x/api/v1/workers", { headers: { host } }));
    assert.equal(response.status, status, host);
  }
});

test("A page of another site gets no stream", async () => {
  const { get, web } = webOf();
  const response = await get("/api/v1/events", { headers: { "sec-fetch-site": "cross-site" } });
  assert.equal(response.status, 403);
  assert.equal(web.viewers(), 0);
});

test("Every answer, errors too, carries the headers that keep a browser from harm", async () => {
  const { get } = webOf();
  for (const path of ["/", "/nothing", "/api/v1/workers", "/metrics", "/api/v1/events"]) {
    const { headers, body } = await get(path);
    await body?.cancel();
    assert.match(headers.get("content-security-policy") ?? "", /default-src 'none'/, path);
    assert.doesNotMatch(headers.get("content-security-policy") ?? "", /unsafe/);
    assert.equal(headers.get("x-content-type-options"), "nosniff");
    assert.equal(headers.get("access-control-allow-origin"), null);
    if (path !== "/") assert.match(headers.get("cache-control") ?? "", /no-store/, path);
  }
});

test("Below a base path everything is there and nothing outside of it", async () => {
  const { get } = webOf({ basePath: "/tools/worktide/" });
  assert.equal((await get("/tools/worktide/")).status, 200);
  assert.equal((await get("/tools/worktide/api/v1/workers")).status, 200);
  assert.equal((await get("/tools/worktide/assets/app.js")).status, 200);
  assert.equal((await get("/api/v1/workers")).status, 404);
  const moved = await get("/tools/worktide");
  assert.equal(moved.status, 308);
  assert.equal(moved.headers.get("location"), "worktide/");
});

test("An asset that the browser has is not sent again", async () => {
  const { get } = webOf();
  const again = await get("/", { headers: { "if-none-match": '"a"' } });
  assert.equal(again.status, 304);
});

test("Not ready is 503 and says why", async () => {
  const { get } = webOf({ ready: () => ({ ready: false, message: "no document is in force" }) });
  const response = await get("/readyz");
  assert.equal(response.status, 503);
  assert.deepEqual(await response.json(), { ready: false, message: "no document is in force" });
});

test("A fault of our own is a 500 without its inside, told to the log", async () => {
  const told: string[] = [];
  const { get } = webOf({
    metrics: { scrape: () => Promise.reject(new Error("inside")) },
    failed: (doing, cause) => told.push(`${doing}: ${String(cause)}`),
  });
  const response = await get("/metrics");
  assert.equal(response.status, 500);
  assert.doesNotMatch(await response.text(), /inside/);
  assert.deepEqual(told, ["answering /metrics: Error: inside"]);
});

test("A canary is in no answer", async () => {
  const { get, synthetic, redactor, record } = webOf();
  redactor.keepSecret('canary"password');
  const message = 'dialling redis://u:canary"password@h refused';
  synthetic.set(workerOf(now, { target: message, trouble: { reason: "CannotStart", message, since: "" } }));
  record.add({ kind: "trouble", worker: "default/mails", reason: "CannotStart", message });
  for (const path of ["/api/v1/workers", "/api/v1/workers/default/mails", "/api/v1/history/default/mails", "/metrics"]) {
    assert.doesNotMatch(await (await get(path)).text(), /canary/, path);
  }
  const reader = (await get("/api/v1/events")).body?.pipeThrough(new TextDecoderStream()).getReader();
  assert.doesNotMatch((await reader?.read())?.value ?? "", /canary/);
  await reader?.cancel();
});

test("Where page and API are for the near only, the network gets metrics and probes, and is told what to do", async () => {
  const { web } = webOf({ nearOnly: true });
  const status = async (path: string, near: boolean) =>
    (await web.fetch(new Request(`http://10.0.0.7:8484${path}`), { near })).status;
  for (const path of ["/metrics", "/healthz", "/readyz"]) assert.deepEqual([path, await status(path, false)], [path, 200]);
  for (const path of ["/", "/assets/app.js", "/api/v1/workers", "/api/v1/history/default/mails", "/metrics/x"]) {
    assert.deepEqual([path, await status(path, false)], [path, 403]);
  }
  assert.deepEqual([await status("/", true), await status("/api/v1/workers", true)], [200, 200]);
  const refused = await web.fetch(new Request("http://10.0.0.7:8484/"), { near: false });
  assert.match(await refused.text(), /kubectl port-forward, or start the controller with --page network/);
});
