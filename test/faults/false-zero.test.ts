import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { startRedis } from "../support/redis.ts";
import { waitFor } from "../support/wait.ts";
import { listOf } from "./support/pools.ts";
import { backlog, calm } from "./support/scenario.ts";
import { type Stage, setStage } from "./support/stage.ts";

const onMain = { connection: "main" } as const;

/** A pool of three over a list of three, which nobody takes from; whatever empties it for us lowers nothing for a minute. */
async function emptied(fault: string, lie: (stage: Stage) => Promise<void>): Promise<void> {
  await using stage = await setStage({ pools: [backlog, calm] });
  await stage.settles("backlog", 3);
  await stage.fault({ fault, ...onMain, readable: true }, async () => {
    await lie(stage);
    await pause(8000);
  });
  assert.equal(stage.processes("backlog").length, 3, "nothing was lowered on the word of other data");
  const { lines } = await stage.judge();
  const fooled = lines.some(
    (line) =>
      line.kind === "read" && line.trigger === "backlog" && (!("reading" in line.result) || line.result.reading.waiting === 0),
  );
  assert.ok(fooled, "the lie was told");
}

/** So long is the queue away; gives how long it really was, ms. */
async function forAMoment(away: () => Promise<unknown>, back: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await away();
  await pause(2500);
  await back();
  return performance.now() - began;
}

/** A passing zero is not the proof of one; on a machine that stood still it may have lasted long enough to be. */
async function neverZero(stage: Stage, tookMs: number): Promise<void> {
  const { writes } = await stage.judge();
  if (tookMs < 4500) assert.ok(writes("backlog").every(({ to }) => to > 0));
}

suite("An answer of zero that is not the truth lowers nothing", { concurrency: 4 }, () => {
  test("the server became a replica of an empty one (rows 6, 45)", async () => {
    await using empty = await startRedis({ args: ["--repl-diskless-sync-delay", "0"] });
    await emptied("REPLICAOF an empty primary", async (stage) => {
      await stage.admin.sendCommand(["REPLICAOF", "127.0.0.1", String(empty.port)]);
    });
  });

  test("the server was started again without its data (row 6)", async () => {
    await emptied("restart without data", async (stage) => {
      await stage.redis.kill9();
      await stage.redis.restart();
    });
  });

  test("two databases were swapped, and swapped back (row 6)", async () => {
    await using stage = await setStage({ pools: [backlog, calm] });
    await stage.settles("backlog", 3);
    const took = await stage.fault({ fault: "SWAPDB", ...onMain, readable: true }, () =>
      forAMoment(
        () => stage.admin.sendCommand(["SWAPDB", "0", "1"]),
        () => stage.admin.sendCommand(["SWAPDB", "0", "1"]),
      ),
    );
    await stage.settles("backlog", 3);
    await neverZero(stage, took);
  });

  test("a flush: the queue is empty indeed, and zero waits for its proof (row 6)", async () => {
    await using stage = await setStage({ pools: [backlog, calm] });
    await stage.settles("backlog", 3);
    await stage.fault({ fault: "FLUSHALL", ...onMain, readable: true }, async () => {
      await stage.admin.sendCommand(["FLUSHALL"]);
      await pause(3000);
    });
    await stage.admin.rPush(listOf("backlog"), ["1", "2", "3"]);
    await stage.settles("backlog", 3);
    await stage.judge();
  });

  test("the key was renamed while a deploy was half done (row 31)", async () => {
    await using stage = await setStage({ pools: [backlog, calm] });
    await stage.settles("backlog", 3);
    const took = await stage.fault({ fault: "RENAME", ...onMain, readable: true }, () =>
      forAMoment(
        () => stage.admin.rename(listOf("backlog"), "elsewhere"),
        () => stage.admin.rename("elsewhere", listOf("backlog")),
      ),
    );
    await stage.settles("backlog", 3);
    await neverZero(stage, took);
  });

  test("the key has another type now: not known, and held (row 31)", async () => {
    await using stage = await setStage({ pools: [backlog, calm] });
    await stage.settles("backlog", 3);
    await stage.fault({ fault: "WRONGTYPE", ...onMain }, async () => {
      await stage.admin.rename(listOf("backlog"), "elsewhere");
      await stage.admin.set(listOf("backlog"), "a string");
      await stage.sees("backlog", "invalid");
      await pause(6000);
      assert.equal(stage.processes("backlog").length, 3);
      await stage.admin.del(listOf("backlog"));
      await stage.admin.rename("elsewhere", listOf("backlog"));
    });
    await stage.sees("backlog", undefined);
    await stage.settles("backlog", 3);
    await stage.judge();
  });

  test("a server that may evict is told of once, and however often it is dialled (row 32)", async () => {
    const redisArgs = ["--maxmemory", "100mb", "--maxmemory-policy", "volatile-lru"];
    await using stage = await setStage({ pools: [backlog, calm], redisArgs });
    await stage.settles("backlog", 3);
    await stage.fault({ fault: "cut", ...onMain, readable: true }, async () => {
      for (let round = 0; round < 3; round++) {
        const before = stage.proxy.dials();
        stage.proxy.cut();
        await waitFor("it to dial again", () => stage.proxy.dials() > before);
        await stage.sees("backlog", undefined);
      }
    });
    const told = stage.life().said.filter((line) => line.includes("maxmemory-policy"));
    assert.equal(told.length, 1, told.join("\n"));
    assert.match(told[0] ?? "", /"level":"warn".*"connection":"default\/main".*found 'volatile-lru'/);
    await stage.judge();
  });

  test("eviction takes the queue away (row 32)", async () => {
    await emptied("eviction", async (stage) => {
      await stage.admin.sendCommand(["CONFIG", "SET", "maxmemory-policy", "allkeys-random"]);
      await stage.admin.sendCommand(["CONFIG", "SET", "maxmemory", "1"]);
      await stage.admin.sendCommand(["SET", "one", "more"]).catch(() => {});
    });
  });
});
