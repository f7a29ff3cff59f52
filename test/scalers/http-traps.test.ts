import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { http } from "../../scalers/http.ts";
import { monotonicMs } from "../../src/brokers/clock.ts";
import { httpBroker } from "../../src/brokers/web-broker.ts";
import { listening } from "../support/listening.ts";
import { openScalerLab, problemOf } from "../support/scaler-lab.ts";

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A service that answers as a test says. Its address itself is there. */
async function service(answer: Answer) {
  const asked: IncomingMessage[] = [];
  const server = await listening(
    createServer((request, response) => {
      if (request.url === "/") return void response.end();
      asked.push(request);
      answer(request, response);
    }),
  );
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

const json = (body: unknown): Answer => {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return (_, response) => response.end(text);
};
const settings = (url: string, more: object = {}) => ({ ...httpBroker.settings.parse({ url }), ...more });
const at = (waiting: string, more: object = {}) => ({ path: "/jobs", waiting, ...more });

async function labOf(answer: Answer, more: object = {}) {
  const server = await service(answer);
  const lab = await openScalerLab(http, httpBroker, settings(server.url, more));
  return {
    ...lab,
    server,
    async [Symbol.asyncDispose]() {
      await lab[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

describe("a page that tells numbers", () => {
  it("tells nothing by what is not there, is no number, or comes several times", async () => {
    await using lab = await labOf(json({ a: null, b: "many", c: -1, d: 0.2, e: "12", f: [], g: [{ n: 1 }, { n: 4 }], h: true }));
    const why = async (place: string) => (await lab.problem(at(place))).message;
    assert.equal(await why("$.none"), "there is nothing at '$.none'");
    for (const place of ["$.a", "$.b", "$.c", "$.h"]) assert.match(await why(place), /is not a number of jobs/, place);
    assert.match(await why("$.g[*].n"), /there are 2 numbers at .*: set `combine`/);
    const waiting = async (place: string, more = {}) => (await lab.read(at(place, more))).waiting;
    assert.deepEqual(await Promise.all(["$.d", "$.e", "$.f", "$.g"].map((place) => waiting(place))), [1, 12, 0, 2]);
    assert.deepEqual([await waiting("$.g[*].n", { combine: "sum" }), await waiting("$.g[*].n", { combine: "max" })], [5, 4]);
    const { running, runningUnknown } = await lab.read(at("$.e", { running: "$.none" }));
    assert.deepEqual([running, runningUnknown], [undefined, "there is nothing at '$.none'"]);
  });

  it("in which a path or a series would be looked for for ever is not known, and the others are read", async () => {
    const list = Array.from({ length: 100 }, () => ({ name: `${"a".repeat(40)}!` }));
    await using lab = await labOf((request, response) =>
      response.end(request.url === "/jobs" ? JSON.stringify({ n: 3, list }) : `jobs{queue="${list[0]?.name}"} 1\n`),
    );
    const series = { path: "/metrics", format: "prometheus", waiting: 'jobs{queue=~"(a+)+"}' };
    const all = await lab.outcomes(at("$.list[?match(@.name, '(a+)+')]"), series, at("$.n"));
    for (const one of all.slice(0, 2)) assert.match("problem" in one ? one.problem.message : "", /takes too long/);
    assert.deepEqual(
      all.map((one) => "reading" in one && one.reading.waiting),
      [false, false, 3],
    );
  });

  for (const [what, answer, why] of [
    ["is a login page", (_, r) => r.writeHead(200, { "content-type": "text/html" }).end("<html>"), /invalid: .* not JSON/],
    ["is cut off", json('{"n": 1'), /invalid: .* not JSON/],
    ["says more than memory holds", json(`{"n": 1, "all": [${"{},".repeat(600_000)}{}]}`), /invalid: .* more than 500000 values/],
    ["is not there", (_, r) => r.writeHead(404).end("{}"), /missing: \/jobs: not found/],
    ["is forbidden", (_, r) => r.writeHead(403).end("{}"), /auth: \/jobs: the login is refused/],
    ["fails", (_, r) => r.writeHead(500).end('{"n":0}'), /unreachable: \/jobs: answers with status 500/],
    ["is a part", (_, r) => r.writeHead(206).end('{"n":0}'), /invalid: \/jobs: answers with a part only \(206\)/],
    ["asks for patience", (_, r) => r.writeHead(429).end('{"n":0}'), /limit: /],
    [
      "is larger than anybody needs",
      json(`{"n": 1, "x": "${"x".repeat(5 * 2 ** 20)}"}`),
      /invalid: the answer is larger than 4 MiB/,
    ],
  ] as readonly (readonly [string, Answer, RegExp])[]) {
    it(`that ${what} tells nothing, and the others are read`, async () => {
      await using lab = await labOf((request, response) =>
        (request.url === "/jobs" ? answer : json({ n: 3 }))(request, response),
      );
      const [bad, good] = await lab.outcomes(at("$.n"), { path: "/good", waiting: "$.n" });
      assert.ok(bad && "problem" in bad && good && "reading" in good);
      assert.match(`${bad.problem.kind}: ${bad.problem.message}`, why);
      assert.equal(good.reading.waiting, 3);
    });
  }

  it("with more numbers than a call takes arguments is read", async () => {
    const taken = Date.now();
    await using lab = await labOf(json(Array.from({ length: 150_000 }, (_, i) => taken + i)));
    const more = { combine: "max", takenAt: "$[*]", maxAge: "24h" };
    assert.equal((await lab.read(at("$[*]", more))).waiting, taken + 149_999);
  });

  it("that never ends is given up in time, alone; where it is all that there is, the connection is", async () => {
    await using lab = await labOf((request, response) => {
      if (request.url === "/jobs") response.write('{"n":');
      else json({ n: 3 })(request, response);
    });
    const [bad, good] = await lab.outcomes(at("$.n"), { path: "/good", waiting: "$.n" });
    assert.ok(bad && "problem" in bad && good && "reading" in good);
    assert.equal(bad.problem.kind, "timeout");
    assert.equal((await problemOf(lab.outcomes(at("$.n")))).kind, "timeout");
  });

  it("that sends us elsewhere is not followed: a login goes only where it was given for", async () => {
    await using other = await service(json({ n: 0 }));
    const headers = [{ name: "X-Tenant", value: "shop" }];
    const elsewhere: Answer = (_, response) => response.writeHead(302, { location: `${other.url}/x?key=geheim` }).end();
    await using lab = await labOf(elsewhere, { token: "t0ken", headers });
    assert.equal(
      (await lab.problem(at("$.n"))).message,
      `/jobs: sends us to ${other.url}/x (302): give the address that answers itself`,
    );
    assert.equal(other.asked.length, 0);
    const { authorization, "x-tenant": tenant } = lab.server.asked[0]?.headers ?? {};
    assert.deepEqual([authorization, tenant], ["Bearer t0ken", "shop"]);
  });

  it("is looked for below the connection's address only: a login goes to nobody's path but its own", async () => {
    await using server = await service(json({ n: 3 }));
    const own = settings(`${server.url}/tenants/a`, { token: "t0ken" });
    await using lab = await openScalerLab(http, httpBroker, own);
    server.asked.splice(0);
    for (const path of ["/../b", "/x/../../b", "/%2e%2E/b", "/..", "/.%2e/ab", "/..\\b"]) {
      assert.equal((await lab.problem(at("$.n", { path }))).message, "the path leads out of the connection's address", path);
    }
    assert.equal(server.asked.length, 0);
    for (const path of ["/jobs", "/x/../jobs", "/..jobs", "/jobs?of=/../b"])
      assert.equal((await lab.read(at("$.n", { path }))).waiting, 3);
    assert.deepEqual(
      server.asked.map(({ url }) => url),
      ["/tenants/a/jobs", "/tenants/a/jobs", "/tenants/a/..jobs", "/tenants/a/jobs?of=/../b"],
    );
  });

  it("that a cache has kept is as old as that, whatever clock it carries; and caches are asked to ask again", async () => {
    await using lab = await labOf((_, response) => {
      response.setHeader("age", "40");
      // The clock of when it was given, 40 s ago.
      const given = Date.now() - 40_000;
      response.setHeader("date", new Date(given).toUTCString());
      response.end(JSON.stringify({ n: 1, takenAt: new Date(given - 20_000).toISOString() }));
    });
    for (const [more, least, most] of [
      [{}, 40_000, 40_000],
      [{ takenAt: "$.takenAt" }, 59_000, 60_000], // its clock shows whole seconds
    ] as const) {
      const before = monotonicMs();
      const { sampledAt } = await lab.read(at("$.n", more));
      assert.ok(before - sampledAt <= most && monotonicMs() - sampledAt >= least, String(before - sampledAt));
    }
    assert.match((await lab.problem(at("$.n", { maxAge: "30s" }))).message, /numbers are 40 s old, and `maxAge` is 30 s/);
    assert.ok(lab.server.asked.every(({ headers }) => headers["cache-control"] === "no-cache"));
  });

  it("is asked for once, however many look into it", async () => {
    await using lab = await labOf(json({ a: 1, b: 2 }));
    const results = await lab.outcomes(at("$.a"), at("$.b"), at("$.a"));
    assert.deepEqual(
      results.map((result) => "reading" in result && result.reading.waiting),
      [1, 2, 1],
    );
    assert.equal(lab.server.asked.length, 1);
  });

  it("says itself when its numbers were taken, by its own clock; old ones are not known", async () => {
    const takenAt = (ms: number) => new Date(Date.now() - ms).toISOString();
    await using lab = await labOf((_, response) => {
      // Its clock is an hour behind ours.
      response.setHeader("date", new Date(Date.now() - 3_600_000).toUTCString());
      response.end(JSON.stringify({ n: 1, young: takenAt(3_600_000 + 20_000), old: takenAt(3_600_000 + 200_000), odd: "soon" }));
    });
    const { sampledAt } = await lab.read(at("$.n", { takenAt: "$.young" }));
    assert.ok(sampledAt <= monotonicMs() - 18_000 && sampledAt > monotonicMs() - 60_000);
    assert.match(
      (await lab.problem(at("$.n", { takenAt: "$.old" }))).message,
      /numbers are (199|2\d\d) s old, and `maxAge` is 120 s/,
    );
    for (const none of ["$.odd", "$.none"])
      assert.match((await lab.problem(at("$.n", { takenAt: none }))).message, /there is no time at/);
  });

  it("in Prometheus' text format is read whole or not at all", async () => {
    const page = '# TYPE jobs gauge\njobs{q="a",z="x\\"}"} 3 1395066363000\njobs{q="b"} 4\nnan_jobs NaN\n';
    await using lab = await labOf((request, response) => response.end(request.url === "/jobs" ? page : `${page}<html>`));
    const of = (waiting: string, more = {}) => at(waiting, { format: "prometheus", ...more });
    assert.equal((await lab.read(of('jobs{q="a"}'))).waiting, 3);
    assert.equal((await lab.read(of('jobs{q=~"a|b"}', { combine: "sum" }))).waiting, 7);
    assert.equal((await lab.read(of('jobs{q!="a"}'))).waiting, 4);
    assert.match((await lab.problem(of("jobs"))).message, /2 numbers/);
    assert.match((await lab.problem(of("none"))).message, /there is nothing at 'none'/);
    assert.match((await lab.problem(of("nan_jobs"))).message, /not a number/);
    assert.match((await lab.problem(of("jobs", { path: "/broken" }))).message, /text format \(line 5\)/);
  });

  it("has places that are checked before anything is asked", () => {
    const wrong = (query: object) => http.query.safeParse({ waiting: "$.n", ...query }).error?.issues[0]?.message ?? "";
    assert.match(wrong({ waiting: "n" }), /must be a JSONPath such as/);
    assert.match(wrong({ format: "prometheus" }), /must be a series such as/);
    assert.match(wrong({ format: "prometheus", waiting: "jobs", takenAt: "at" }), /must not stand beside/);
    assert.match(wrong({ path: "http://elsewhere" }), /./);
    assert.equal(wrong({ running: "$..x[?@.state=='active']", combine: "sum" }), "");
  });
});
