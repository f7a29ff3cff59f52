import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer as createPlain } from "node:http";
import { createServer, type ServerOptions } from "node:https";
import type { AddressInfo, Server } from "node:net";
import { after, before, describe, it } from "node:test";
import { prometheusBroker } from "../../src/brokers/prometheus.ts";
import { httpBroker } from "../../src/brokers/web-broker.ts";
import { webAddressOf } from "../../src/brokers/web-settings.ts";
import { listening } from "../support/listening.ts";
import { makeCerts, type TestCerts } from "../support/redis-topologies.ts";
import { problemOf, soon } from "../support/scaler-lab.ts";
import { issueCert } from "../support/tls-proxy.ts";

const parse = (change: object): object => httpBroker.settings.parse(change);

describe("settings of a service by HTTP", () => {
  it("that do not fit together are refused with the way out", () => {
    const refused = (settings: unknown, message: RegExp) => {
      const { error } = httpBroker.settings.safeParse(settings);
      assert.match(error?.issues.map((issue) => issue.message).join("; ") ?? "", message, JSON.stringify(settings));
    };
    const passwordFrom = { env: "P" };
    refused({}, /exactly one of `url`, `urlFrom`; found none/);
    refused({ url: "http://a", urlFrom: { env: "U" } }, /found `url` and `urlFrom`/);
    refused({ url: "http://u:p@a" }, /must not carry a password/);
    refused({ url: "http://a/?x=1" }, /./);
    refused({ url: "http://a", tls: {} }, /must begin with https:/);
    refused({ url: "http://a", username: "u" }, /must come with `passwordFrom`/);
    refused({ url: "http://a", passwordFrom }, /must come with `username`/);
    refused({ url: "http://a", username: "u", passwordFrom, tokenFrom: { env: "T" } }, /must not stand beside `username`/);
    refused({ url: "http://a", headers: [{ name: "X" }] }, /exactly one of `value`, `valueFrom`/);
    refused({ url: "http://a", headers: [{ name: "Authorization", value: "x" }] }, /in plain text/);
    refused({ url: "http://a", headers: [1, 2].map(() => ({ name: "X", value: "x" })) }, /must not stand twice/);
    assert.equal(httpBroker.settings.safeParse({ url: "https://a/b", username: "u", passwordFrom, tls: {} }).success, true);
  });

  it("become headers, and secrets that are never shown", () => {
    const { base, headers, secrets } = webAddressOf({
      ...parse({ urlFrom: { env: "U" } }),
      url: "https://u:p%40ss@a/b/",
    } as never);
    assert.deepEqual([base, headers["authorization"]], ["https://a/b", `Basic ${btoa("u:p@ss")}`]);
    assert.ok(secrets.includes("p@ss"));
    const token = webAddressOf({
      ...parse({ url: "http://a" }),
      token: "t0ken",
      headers: [{ name: "X-Org", value: "shop" }],
    } as never);
    assert.deepEqual(token.headers, { authorization: "Bearer t0ken", "x-org": "shop" });
    assert.throws(
      () => webAddressOf({ ...parse({ url: "http://a" }), token: "two\nlines" } as never),
      (error) => /characters that no header may have/.test(String(error)) && !String(error).includes("lines"),
    );
    assert.equal(httpBroker.address(parse({ urlFrom: { env: "JOBS" } }) as never), "http at the address in JOBS");
    assert.equal(httpBroker.address({ ...parse({ urlFrom: { env: "U" } }), url: "https://u:p@a/b" } as never), "https://a/b");
  });
});

describe("a service by HTTP", () => {
  let certs: TestCerts | undefined;
  before(async () => {
    certs = await makeCerts();
  });
  after(() => certs?.[Symbol.asyncDispose]());

  const withServer = async (server: Server, work: (port: number) => Promise<void>) => {
    await listening(server);
    try {
      await work((server.address() as AddressInfo).port);
    } finally {
      if ("closeAllConnections" in server) (server as ReturnType<typeof createPlain>).closeAllConnections();
      server.close();
    }
  };
  const open = (url: string, more: object = {}) => httpBroker.open({ ...parse({ url }), ...more } as never, soon());

  it("is trusted by its authority and name, or not at all, and may ask for a certificate of ours", async () => {
    assert.ok(certs, "openssl is needed");
    const [own, stranger] = await Promise.all([issueCert(certs), issueCert(certs, { by: "other" })]);
    const options: ServerOptions = {
      cert: await readFile(certs.certFile),
      key: await readFile(certs.keyFile),
      ca: await readFile(certs.caFile),
      requestCert: true,
      rejectUnauthorized: true,
    };
    const { caFile, otherCaFile } = certs;
    await withServer(
      createServer(options, (_, response) => response.end()),
      async (port) => {
        const url = `https://127.0.0.1:${port}`;
        (await open(url, { tls: { caFile, ...own } })).destroy();
        for (const tls of [{ ...own }, { caFile: otherCaFile, ...own }, { caFile, ...own, serverName: "elsewhere.shop" }]) {
          assert.equal((await problemOf(open(url, { tls }))).kind, "tls");
        }
        for (const tls of [{ caFile }, { caFile, ...stranger }]) {
          assert.ok(["tls", "unreachable"].includes((await problemOf(open(url, { tls }))).kind));
        }
      },
    );
  });

  it("that is not what it should be is told so at once", async () => {
    await withServer(
      createPlain((_, response) => response.end("<html>hello</html>")),
      async (port) => {
        const settings = prometheusBroker.settings.parse({ url: `http://127.0.0.1:${port}` }) as never;
        const { kind, message } = await problemOf(prometheusBroker.open(settings, soon()));
        assert.deepEqual([kind, message], ["invalid", "answers with something that is not Prometheus' query API"]);
      },
    );
    await withServer(
      createPlain((_, response) => response.writeHead(503).end("starting")),
      async (port) => {
        const settings = prometheusBroker.settings.parse({ url: `http://127.0.0.1:${port}` }) as never;
        assert.equal((await problemOf(prometheusBroker.open(settings, soon()))).kind, "loading");
        assert.equal((await problemOf(open(`http://127.0.0.1:${port}`))).kind, "unreachable");
      },
    );
  });

  it("of many parts is not known where one of them does not answer", async () => {
    const vector = { resultType: "vector", result: [{ metric: {}, value: [1, "3"] }] };
    let warnings = ["fetch series: rpc error: code = Unavailable"];
    const server = createPlain((_, response) => response.end(JSON.stringify({ status: "success", warnings, data: vector })));
    await withServer(server, async (port) => {
      const settings = prometheusBroker.settings.parse({ url: `http://127.0.0.1:${port}` }) as never;
      const { kind, message } = await problemOf(prometheusBroker.open(settings, soon()));
      assert.match(`${kind}: ${message}`, /^unreachable: only a part of it answers: fetch series/);
      warnings = ["PromQL warning: something about the query"];
      (await prometheusBroker.open(settings, soon())).destroy();
    });
  });
});
