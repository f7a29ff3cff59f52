import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseHostPort } from "../../src/brokers/host-port.ts";
import { redisBroker } from "../../src/brokers/redis.ts";
import { addressOf, parseUrl, type RedisSettings, redisSettings } from "../../src/brokers/redis-settings.ts";
import { problemOf } from "../support/scaler-lab.ts";

const messages = (settings: unknown): readonly string[] => {
  const parsed = redisSettings.safeParse(settings);
  return parsed.success ? [] : parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
};

describe("settings of Redis", () => {
  it("take one address, with the login beside it", () => {
    const password = { passwordFrom: { env: "REDIS_PASSWORD" } };
    for (const good of [
      { url: "redis://127.0.0.1:6379/0" },
      { url: "rediss://redis.shop", tls: { caFile: "/ca.crt" }, username: "worktide", ...password },
      { urlFrom: { file: "/run/secrets/redis" } },
      { sentinel: { master: "main", nodes: ["a:26379", "[::1]:26379"] }, tls: {} },
      { cluster: { nodes: ["a:7000"] }, ...password },
    ]) {
      assert.deepEqual(messages(good), [], JSON.stringify(good));
    }
  });

  it("refuse two addresses, none, a password in the address, a user without password, half a certificate", () => {
    const cases: readonly (readonly [unknown, RegExp])[] = [
      [{}, /exactly one of `url`.*found none/],
      [{ url: "redis://a", cluster: { nodes: ["a:1"] } }, /found `url` and `cluster`/],
      [{ url: "redis://me:geheim@a:6379" }, /must not carry a password/],
      [{ url: "redis://a:6379/x" }, /must be redis:\/\/host:port\/database/],
      [{ url: "http://a" }, /url/],
      [{ url: "redis://a", username: "me" }, /must come with `passwordFrom`/],
      [{ url: "redis://a", tls: {} }, /must begin with rediss:/],
      [{ url: "rediss://a", tls: { certFile: "/c" } }, /both of `certFile` and `keyFile`/],
      [{ url: "redis://a", pasword: "x" }, /pasword/],
      [{ sentinel: { master: "main", nodes: ["no port"] } }, /sentinel.nodes.0/],
      [{ sentinel: { master: "me:geheim@a", nodes: ["a:1"] } }, /sentinel.master/],
      [{ sentinel: { master: "main", nodes: ["me:geheim@a:1"] } }, /sentinel.nodes.0/],
      [{ url: "me:geheim@a:1" }, /url/],
    ];
    for (const [bad, expected] of cases) {
      const found = messages(bad);
      assert.ok(
        found.length > 0 && found.some((message) => expected.test(message)),
        `${JSON.stringify(bad)}: ${found.join("; ")}`,
      );
      assert.ok(!found.join().includes("geheim"), "a message never quotes a password");
    }
  });

  it("name the address for people without a credential", () => {
    const show = (settings: unknown) => redisBroker.address(settings as RedisSettings);
    assert.equal(show({ url: "rediss://me:geheim@redis.shop/3" }), "rediss://redis.shop:6379/3");
    assert.equal(show({ urlFrom: { env: "REDIS_URL" } }), "redis at the address in REDIS_URL");
    assert.equal(show({ urlFrom: { file: "redis://me:geheim@a" } }), "redis at the address in redis://***@a");
    assert.match(show({ sentinel: { master: "main", nodes: ["a:1", "b:2"], database: 2 } }), /sentinel main at a:1, b:2/);
    assert.match(show({ cluster: { nodes: ["a:1"] } }), /cluster a:1/);
  });

  it("read user and password from a resolved address, percent signs and IPv6 too", () => {
    assert.deepEqual(parseUrl("redis://us%40er:p%3Aw@[::1]:7000/2"), {
      host: "::1",
      port: 7000,
      database: 2,
      tls: false,
      username: "us@er",
      password: "p:w",
    });
    assert.deepEqual(parseHostPort("[::1]:7000"), { host: "::1", port: 7000 });
    assert.equal(parseUrl("redis://a/1?x=1"), undefined);
  });

  it("never quote a resolved address that makes no sense", async () => {
    const problem = await problemOf((async () => addressOf({ url: "postgres://me:geheim@a" }))());
    assert.equal(problem.kind, "invalid");
    assert.ok(!problem.message.includes("geheim"));
  });
});
