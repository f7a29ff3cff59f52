import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { redisCommand } from "../support/redis-topologies.ts";
import { needsRedis7 } from "../support/redis-version.ts";
import { problemOf, soon } from "../support/scaler-lab.ts";
import { waitFor } from "../support/wait.ts";
import { lengths, oneAnswer, open } from "./support.ts";

describe("a Redis broker", () => {
  let redis: TestRedis;
  before(async () => {
    redis = await startRedis();
  });
  after(() => redis.stop());
  const command = (...words: string[]) => redisCommand(redis.port, ...words);

  it("answers each query in order, with what is wrong with one as data", async () => {
    await command("RPUSH", "broker:a", "1", "2");
    await command("SET", "broker:text", "x");
    await using session = await open({ url: redis.url });
    assert.deepEqual(await lengths(session.client, ["broker:a", "broker:none", "broker:text", "broker:a"]), [2, 0, "invalid", 2]);
    assert.deepEqual(await lengths(session.client, []), []);
  });

  it("reads 5,000 queries in chunks, queries of different shapes among them", async () => {
    await using session = await open({ url: redis.url });
    const script = { name: "shape", body: "return {keys[1], #keys, #args, args[1] or false}" };
    const queries = Array.from({ length: 5000 }, (_, i) => ({
      keys: Array.from({ length: 1 + (i % 3) }, (_, k) => `shape:${i}:${k}`),
      args: i % 2 === 0 ? [] : [i, "ü"],
    }));
    for (let round = 0; round < 3; round++) {
      const answers = await session.client.evaluate(script, queries, soon());
      for (const [i, answer] of answers.entries()) {
        assert.ok("value" in answer);
        assert.deepEqual(answer.value, [`shape:${i}:0`, 1 + (i % 3), i % 2 === 0 ? 0 : 2, i % 2 === 0 ? null : String(i)]);
      }
    }
  });

  it("makes chunks of a dear script smaller, so that none holds Redis for long", async () => {
    await using session = await open({ url: redis.url });
    const script = { name: "dear", body: "for _ = 1, 300 do redis.call('EXISTS', keys[1]) end return 1" };
    const queries = Array.from({ length: 300 }, (_, i) => ({ keys: [`dear:${i}`] }));
    for (let round = 0; round < 3; round++) await session.client.evaluate(script, queries, soon());
    await command("CONFIG", "RESETSTAT");
    await session.client.evaluate(script, queries, soon());
    const stats = /cmdstat_evalsha(?:_ro)?:calls=(\d+),usec=(\d+)/.exec(String(await command("INFO", "commandstats")));
    const [calls, us] = [Number(stats?.[1]), Number(stats?.[2])];
    // How long each takes is the machine's matter: the benchmark tells.
    assert.ok(calls >= 5, `${calls} calls of ${us} µs`);
  });

  it("loads its script again when Redis has forgotten it", async () => {
    await using session = await open({ url: redis.url });
    await lengths(session.client, ["broker:a"]);
    await command("SCRIPT", "FLUSH");
    assert.deepEqual(await lengths(session.client, ["broker:a", "broker:none"]), [2, 0]);
  });

  it("takes a broken script for a problem of each query, not of the connection", async () => {
    await using session = await open({ url: redis.url });
    const [answer] = await session.client.evaluate({ name: "bad", body: "return nothing.here" }, [{ keys: ["a"] }], soon());
    assert.ok(answer && "problem" in answer);
    const [garbage] = await session.client.evaluate({ name: "worse", body: "this is not lua" }, [{ keys: ["a"] }], soon());
    assert.ok(garbage && "problem" in garbage);
    assert.deepEqual(await lengths(session.client, ["broker:a"]), [2]);
  });

  it("gives the same epoch while the data is the same", async () => {
    await using session = await open({ url: redis.url });
    const first = await oneAnswer(session.client, "broker:a");
    const second = await oneAnswer(session.client, "broker:a");
    assert.ok("value" in first && "value" in second);
    assert.equal(first.epoch, second.epoch);
    await using other = await open({ url: redis.url });
    const third = await oneAnswer(other.client, "broker:a");
    assert.ok("value" in third && third.epoch === first.epoch, "another connection sees the same data");
  });

  it("warns of a server that removes keys by itself, and of no other", async () => {
    await using session = await open({ url: redis.url });
    assert.equal(session.warning, undefined);
    await using bounded = await startRedis({ args: ["--maxmemory", "30mb", "--maxmemory-policy", "noeviction"] });
    await using careful = await open({ url: bounded.url });
    assert.equal(careful.warning, undefined);
  });

  it("gives another epoch once Redis has evicted keys", async () => {
    await using own = await startRedis({ args: ["--maxmemory", "3mb", "--maxmemory-policy", "allkeys-lru"] });
    await using session = await open({ url: own.url });
    assert.match(session.warning ?? "", /set `maxmemory-policy` to 'noeviction' \(found 'allkeys-lru'\)$/);
    const first = await oneAnswer(session.client, "q");
    for (let i = 0; i < 60; i++) await redisCommand(own.port, "SET", `fill:${i}`, "x".repeat(100_000));
    const second = await oneAnswer(session.client, "q");
    assert.ok("value" in first && "value" in second);
    assert.notEqual(first.epoch, second.epoch);
  });

  it("rejects at once when it is aborted", async () => {
    await using session = await open({ url: redis.url });
    redis.stopProcess();
    try {
      const controller = new AbortController();
      const reading = problemOf(lengths(session.client, ["broker:a"], controller.signal));
      controller.abort();
      assert.equal((await reading).kind, "timeout"); // which has no answer as long as it is stopped
      assert.equal((await problemOf(lengths(session.client, ["broker:a"], AbortSignal.abort()))).kind, "timeout");
    } finally {
      redis.contProcess();
    }
  });

  it("tells its end once, and what is asked on a lost session fails", async () => {
    const session = await open({ url: redis.url });
    const id = String(await session.client.command(["CLIENT", "ID"], soon()));
    await command("CLIENT", "KILL", "ID", id);
    assert.equal((await session.lost).kind, "unreachable");
    assert.equal((await problemOf(lengths(session.client, ["a"]))).kind, "unreachable");
    session.destroy();
    session.destroy();
    await session[Symbol.asyncDispose]();
  });

  it("reads the database that the address names", async () => {
    await using session = await open({ url: redis.url.replace(/0$/, "3") });
    assert.equal(session.client.database, 3);
    await session.client.command(["RPUSH", "only:here", "x"], soon());
    assert.deepEqual(await lengths(session.client, ["only:here"]), [1]);
    await using other = await open({ url: redis.url });
    assert.deepEqual(await lengths(other.client, ["only:here"]), [0]);
  });
});

describe("changes in Redis", () => {
  let redis: TestRedis;
  before(async () => {
    redis = await startRedis();
  });
  after(() => redis.stop());
  const command = (...words: string[]) => redisCommand(redis.port, ...words);

  it("are told once for each read, of missing keys too, and no more after the end", async () => {
    await using session = await open({ url: redis.url });
    using end = new DisposableStack();
    let hints = 0;
    end.use(session.client.onChange(["c:a", "c:b"], () => hints++));
    await lengths(session.client, ["c:a", "c:b"]);
    await command("RPUSH", "c:a", "1");
    await waitFor("the first hint", () => hints === 1);
    await command("RPUSH", "c:a", "2"); // not read since: nothing to tell
    await command("RPUSH", "c:b", "1");
    await waitFor("the hint of the other key", () => hints === 2);
    await lengths(session.client, ["c:a", "c:b"]);
    await command("DEL", "c:a");
    await waitFor("the hint of the deletion", () => hints === 3);
    await lengths(session.client, ["c:a", "c:b"]);
    await command("FLUSHALL");
    await waitFor("the hint of the flush", () => hints === 4);
    end.dispose();
    await lengths(session.client, ["c:a", "c:b"]);
    await command("RPUSH", "c:a", "3");
    await session.client.command(["PING"], soon());
    assert.equal(hints, 4);
  });

  it("are told to each who listens, and of many keys", async () => {
    await using session = await open({ url: redis.url });
    const heard = new Set<number>();
    const keys = Array.from({ length: 2000 }, (_, i) => `many:${i}`);
    using end = new DisposableStack();
    for (const [i, key] of keys.entries()) end.use(session.client.onChange([key], () => heard.add(i)));
    end.use(session.client.onChange(["many:7"], () => heard.add(-7)));
    await lengths(session.client, keys);
    await command("EVAL", "for i = 0, 1999 do redis.call('RPUSH', 'many:' .. i, 'x') end", "0");
    await waitFor("all hints", () => heard.size === 2001);
    end.dispose();
  });

  it("cost Redis nothing at rest: what is armed is not armed again", async () => {
    await using session = await open({ url: redis.url });
    using _ = session.client.onChange(["rest"], () => {});
    await lengths(session.client, ["rest"]);
    await command("CONFIG", "RESETSTAT");
    for (let i = 0; i < 5; i++) await lengths(session.client, ["rest"]);
    assert.doesNotMatch(String(await command("INFO", "commandstats")), /cmdstat_exists/);
  });

  it("and messages come over the one connection, between reads", async () => {
    await using session = await open({ url: redis.url });
    using hearing = new DisposableStack();
    const end = new AbortController();
    const messages: string[] = [];
    let hints = 0;
    await session.client.subscribe("/0.ev/*", (channel, message) => messages.push(`${channel} ${message}`), end.signal);
    hearing.use(session.client.onChange(["both"], () => hints++));
    await lengths(session.client, ["both"]);
    await command("PUBLISH", "/0.ev/worker", "grüß dich");
    await command("RPUSH", "both", "x");
    await waitFor("both", () => hints === 1 && messages.length === 1);
    assert.deepEqual(messages, ["/0.ev/worker grüß dich"]);
    assert.deepEqual(await lengths(session.client, ["both"]), [1]);
    await waitFor("ours and the one that asks to be all", async () =>
      /connected_clients:2\r/.test(String(await command("INFO", "clients"))),
    );
    end.abort();
    await session.client.command(["PING"], soon());
    await command("PUBLISH", "/0.ev/worker", "late");
    await session.client.command(["PING"], soon());
    assert.equal(messages.length, 1);
  });

  it("are not told where the user may not track them, and reading goes on", { skip: needsRedis7 }, async () => {
    const least = ["on", ">pw", "~*", "+@read", "+time", "+evalsha_ro", "+script|load", "+info", "+ping", "+echo", "+hello"];
    await command("ACL", "SETUSER", "plain", ...least);
    await command("ACL", "SETUSER", "tracker", ...least, "+client|tracking", "+client|caching");
    let hints = 0;
    for (const username of ["plain", "tracker"]) {
      await using session = await open({ url: redis.url, username, password: "pw" });
      using _ = session.client.onChange(["tracked"], () => hints++);
      assert.deepEqual(await lengths(session.client, ["tracked"]), [0]);
      await command("RPUSH", "tracked", "1");
      if (username === "tracker") await waitFor("the hint", () => hints === 1);
      assert.deepEqual(await lengths(session.client, ["tracked"]), [1]);
      await command("DEL", "tracked");
    }
  });
});
