import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { ask } from "../faults/support/ask.ts";
import { pool } from "../faults/support/pools.ts";
import { kill } from "../faults/support/proc.ts";
import { calm } from "../faults/support/scenario.ts";
import { seedOf } from "../faults/support/seed.ts";
import { setStage } from "../faults/support/stage.ts";

const strict = { duplicates: "fail" } as const;

suite("Worktide itself is killed, stopped and starved", { concurrency: 3 }, () => {
  test("killed at random moments and started again: workers are adopted, no job is lost or run twice (row 38)", async (t) => {
    const { seed, random } = seedOf();
    t.diagnostic(`seed ${seed}`);
    await using stage = await setStage({ pools: [pool("mails", { max: 4 }), calm], constants: strict });
    for (let round = 0; round < 4; round++) {
      await stage.enqueue("mails", 6, 300 + Math.floor(random() * 900));
      await pause(random() * 1500);
      await stage.killAndRestart(random() * 500);
    }
    await stage.drained();
    await stage.settles("mails", 0);
    await stage.judge();
  });

  test("killed in the middle of a scale-down (rows 3, 38)", async (t) => {
    const { seed, random } = seedOf();
    t.diagnostic(`seed ${seed}`);
    await using stage = await setStage({ pools: [pool("mails", { min: 1, max: 4 }), calm], constants: strict });
    await stage.occupied("mails", 8, 700);
    await stage.enqueue("mails", 1, 6000);
    await stage.drained();
    await pause(random() * 1200);
    await stage.killAndRestart();
    await stage.drained();
    await stage.settles("mails", 1);
    await stage.judge();
  });

  test("killed at its first request to Redis, its second, its third …: the same jobs are done, once, by as many (row 38)", async () => {
    await using stage = await setStage({ pools: [pool("mails", { max: 4 }), calm], constants: strict });
    for (let k = 1; k <= 12; k++) {
      await stage.enqueue("mails", 3, 200);
      await stage.killAtRequest(k);
      await stage.drained();
    }
    await stage.settles("mails", 0);
    const { lines } = await stage.judge();
    const ended = lines.flatMap((line) => (line.kind === "job.end" ? [line.job] : []));
    assert.equal(ended.length, 36);
    assert.equal(new Set(ended).size, 36);
  });

  test("SIGTERM with jobs in hand: every job ends, no worker is left, and the next one starts afresh", async () => {
    await using stage = await setStage({ pools: [pool("mails", { max: 3 }), calm], constants: strict });
    await stage.occupied("mails", 6, 1500);
    await stage.restart();
    await stage.drained();
    await stage.settles("mails", 0);
    await stage.judge();
  });

  test("it stands still for two seconds: nothing is decided on what it missed (row 28)", async () => {
    await using stage = await setStage({ pools: [pool("mails", { min: 1 }), calm], constants: strict });
    await stage.occupied("mails", 12, 500);
    for (let round = 0; round < 3; round++) {
      await stage.fault({ fault: "stall", process: "stall" }, async () => {
        kill(stage.life().pid, "SIGSTOP");
        await pause(2000);
        kill(stage.life().pid, "SIGCONT");
      });
      await pause(700);
    }
    await stage.drained();
    await stage.settles("mails", 1);
    await stage.judge();
  });

  test("while Redis is away it is alive: nobody has to restart it (row 76)", async () => {
    await using stage = await setStage({ pools: [pool("mails"), calm] });
    await stage.settles("calm", 1);
    await stage.fault({ fault: "refused", connection: "main", outage: true }, async () => {
      await stage.proxy.set({ kind: "refuse" });
      stage.proxy.cut();
      await stage.sees("mails", "unreachable");
      assert.match(await ask(`${stage.life().url}/healthz`), /ok|healthy|true/i);
      await pause(1000);
      await stage.proxy.set({ kind: "pass" });
    });
    await stage.sees("mails", undefined);
    await stage.judge();
  });

  test("Redis and worktide die together (rows 5, 38)", async () => {
    const redisArgs = ["--appendonly", "yes", "--appendfsync", "always"];
    await using stage = await setStage({ pools: [pool("mails", { min: 1 }), calm], redisArgs });
    await stage.occupied("mails", 9, 700);
    await stage.fault({ fault: "kill -9", connection: "main" }, async () => {
      await stage.redis.kill9();
      await stage.killAndRestart(500);
      await stage.redis.restart();
    });
    await stage.sees("mails", undefined);
    await stage.drained();
    await stage.judge();
  });
});
