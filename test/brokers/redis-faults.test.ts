import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { startProxy } from "../support/proxy.ts";
import { startRedis } from "../support/redis.ts";
import { redisCommand } from "../support/redis-topologies.ts";
import { needsRedis7 } from "../support/redis-version.ts";
import { problemOf, soon } from "../support/scaler-lab.ts";
import { waitFor } from "../support/wait.ts";
import { lengths, oneAnswer, open } from "./support.ts";

const debug = ["--enable-debug-command", "local", "--enable-protected-configs", "local"];

describe("a Redis that fails", () => {
  it("is told as unreachable when nobody listens, and when it dies under a read", async () => {
    await using redis = await startRedis();
    await using session = await open({ url: redis.url });
    await redis.kill9();
    assert.equal((await session.lost).kind, "unreachable");
    assert.equal((await problemOf(open({ url: redis.url }))).kind, "unreachable");
    await redis.restart();
    await using again = await open({ url: redis.url });
    assert.deepEqual(await lengths(again.client, ["a"]), [0]);
  });

  it("that comes back empty has another epoch", async () => {
    await using redis = await startRedis();
    const epoch = async () => {
      await using session = await open({ url: redis.url });
      const answer = await oneAnswer(session.client, "a");
      return "value" in answer && answer.epoch;
    };
    const before = await epoch();
    await redis.restart();
    assert.notEqual(await epoch(), before);
  });

  it("and is frozen keeps nobody waiting: the deadline holds, and an idle connection is given up too", async () => {
    await using redis = await startRedis();
    await using session = await open({ url: redis.url });
    redis.stopProcess();
    const at = performance.now();
    assert.equal((await problemOf(lengths(session.client, ["a"], soon(300)))).kind, "timeout");
    assert.equal((await session.lost).kind, "timeout");
    assert.ok(performance.now() - at < 20_000, "a silent socket is given up within 2.5 s and a ping");
    assert.equal((await problemOf(open({ url: redis.url }, 300))).kind, "timeout", "the handshake has a deadline as well");
    redis.contProcess();
    await using again = await open({ url: redis.url });
    assert.deepEqual(await lengths(again.client, ["a"]), [0]);
    await waitFor("Redis to have dropped what was given up", async () =>
      /connected_clients:2\r/.test(String(await redisCommand(redis.port, "INFO", "clients"))),
    );
  });

  it("never ends its handshake: dialling fails in time and leaves nothing open", async () => {
    await using redis = await startRedis();
    await using proxy = await startProxy(() => redis.port);
    await proxy.set({ kind: "mute" });
    assert.equal((await problemOf(open({ url: `redis://127.0.0.1:${proxy.port}/0` }, 300))).kind, "timeout");
    await waitFor("the connection to be closed", () => proxy.open() === 0);
  });

  it("and is still loading its data is told as loading, and is read once it has", { skip: needsRedis7 }, async () => {
    await using redis = await startRedis({ args: debug });
    await redisCommand(redis.port, "DEBUG", "POPULATE", "50000"); // 15 s to load, which nobody waits for
    await redisCommand(redis.port, "SAVE");
    await redis.restart({
      args: [...debug, "--key-load-delay", "300", "--loading-process-events-interval-bytes", "1024"],
      upWhen: "loading",
    });
    assert.equal((await problemOf(open({ url: redis.url }))).kind, "loading");
    await redis.restart({ args: debug });
    await using session = await open({ url: redis.url });
    assert.deepEqual(await lengths(session.client, ["a"]), [0]);
  });

  it("refuses writes, for want of memory or disk, is read all the same", { skip: needsRedis7 }, async () => {
    await using redis = await startRedis({ args: debug });
    const command = (...words: string[]) => redisCommand(redis.port, ...words);
    await command("RPUSH", "q", "1", "2");
    await command("CONFIG", "SET", "maxmemory", "100kb", "maxmemory-policy", "noeviction");
    await assert.rejects(command("SET", "x", "y".repeat(100)), /OOM/);
    await using full = await open({ url: redis.url });
    assert.deepEqual(await lengths(full.client, ["q"]), [2]);
    await command("CONFIG", "SET", "maxmemory", "0");

    await mkdir(join(String(((await command("CONFIG", "GET", "dir")) as string[])[1]), "taken"));
    await command("CONFIG", "SET", "dbfilename", "taken", "save", "3600 1");
    await command("BGSAVE").catch(() => {});
    await waitFor("writes to be refused", () =>
      command("SET", "x", "y").then(
        () => false,
        (error) => /MISCONF/.test(String(error)),
      ),
    );
    await using session = await open({ url: redis.url });
    using _ = session.client.onChange(["q"], () => {});
    assert.deepEqual(await lengths(session.client, ["q"]), [2]);
    assert.deepEqual(await lengths(full.client, ["q"]), [2], "a ping that is refused is no end");
  });

  it("turns into a replica has no answers, and has them again once it is a primary, of another epoch", async () => {
    await using primary = await startRedis({ args: ["--repl-diskless-sync-delay", "0"] });
    await using redis = await startRedis();
    await redisCommand(redis.port, "RPUSH", "q", "1", "2", "3");
    await using session = await open({ url: redis.url });
    const before = await oneAnswer(session.client, "q");
    await redisCommand(redis.port, "REPLICAOF", "127.0.0.1", String(primary.port));
    for (let i = 0; i < 20; i++) assert.deepEqual(await lengths(session.client, ["q"]), ["replica"], "never a false zero");
    await waitFor("the empty primary's data", async () => (await redisCommand(redis.port, "LLEN", "q")) === 0);
    assert.deepEqual(await lengths(session.client, ["q"]), ["replica"]);
    await redisCommand(redis.port, "REPLICAOF", "NO", "ONE");
    const after = await oneAnswer(session.client, "q");
    assert.ok("value" in before && "value" in after);
    assert.equal(after.value, 0);
    assert.notEqual(after.epoch, before.epoch);
  });

  it("whose primary is gone and that may not tell old data is a replica", { skip: needsRedis7 }, async () => {
    await using primary = await startRedis({ args: ["--repl-diskless-sync-delay", "0"] });
    await using redis = await startRedis({
      args: ["--replica-serve-stale-data", "no", "--replicaof", "127.0.0.1", String(primary.port)],
    });
    await waitFor("the link", async () => /link_status:up/.test(String(await redisCommand(redis.port, "INFO", "replication"))));
    await using session = await open({ url: redis.url });
    await primary.kill9();
    await waitFor("MASTERDOWN", () =>
      redisCommand(redis.port, "LLEN", "q").then(
        () => false,
        () => true,
      ),
    );
    assert.deepEqual(await lengths(session.client, ["q"]), ["replica"]);
    assert.equal((await problemOf(open({ url: redis.url }))).kind, "replica");
  });
});

describe("a stream of answers that is damaged", () => {
  const damages: Readonly<Record<string, (piece: Buffer) => Buffer>> = {
    "loses an answer": (piece) => cutFirst(piece),
    "gets an answer twice": (piece) => Buffer.concat([piece, piece]),
    "gets an answer that nobody asked for": (piece) => Buffer.concat([Buffer.from(":7\r\n"), piece]),
    "has a flipped byte in front": (piece) => Buffer.concat([Buffer.from("\x07"), piece.subarray(1)]),
  };
  for (const [title, edit] of Object.entries(damages)) {
    it(`${title}: nothing wrong is believed, and the connection is given up`, async () => {
      await using redis = await startRedis();
      await redisCommand(redis.port, "RPUSH", "two", "1", "2");
      await using proxy = await startProxy(() => redis.port);
      await using session = await open({ url: `redis://127.0.0.1:${proxy.port}/0` });
      assert.deepEqual(await lengths(session.client, ["two", "none"]), [2, 0]);
      await proxy.set({ kind: "edit", edit: once(edit) });
      for (let i = 0; i < 3; i++) {
        const outcome = await lengths(session.client, i === 1 ? ["none", "two"] : ["two", "none"], soon(300)).catch(
          () => "failed",
        );
        if (outcome !== "failed") assert.deepEqual(outcome, i === 1 ? [0, 2] : [2, 0]);
        else session.destroy(); // as the observer does
      }
      await session.lost;
    });
  }

  it("ends anywhere: nothing is made up of the rest", async () => {
    await using redis = await startRedis();
    await redisCommand(redis.port, "RPUSH", "two", "1", "2");
    await using proxy = await startProxy(() => redis.port);
    for (const bytes of [0, 1, 5, 20, 60, 120, 400]) {
      await proxy.set({ kind: "pass" });
      await using session = await open({ url: `redis://127.0.0.1:${proxy.port}/0` });
      assert.deepEqual(await lengths(session.client, ["two"]), [2]);
      await proxy.set({ kind: "truncate", bytes });
      const outcome = await lengths(session.client, ["two", "none"], soon(500)).catch(() => "failed");
      if (outcome !== "failed") assert.deepEqual(outcome, [2, 0]);
      await session.lost;
    }
  });
});

/** Changes the first piece only. */
function once(edit: (piece: Buffer) => Buffer): (piece: Buffer) => Buffer {
  let done = false;
  return (piece) => {
    if (done) return piece;
    done = true;
    return edit(piece);
  };
}

/** The piece without its first reply, an array of a nonce, a time and lengths. */
function cutFirst(piece: Buffer): Buffer {
  const text = piece.toString("latin1");
  const next = text.indexOf("$", text.indexOf("\r\n:"));
  return next < 0 ? Buffer.alloc(0) : Buffer.from(text.slice(next), "latin1");
}
