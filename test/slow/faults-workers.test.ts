import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { pool } from "../faults/support/pools.ts";
import { kill } from "../faults/support/proc.ts";
import { calm, whileBusy } from "../faults/support/scenario.ts";
import { setStage } from "../faults/support/stage.ts";
import { keepsWedged } from "../faults/support/wedged.ts";
import { waitFor } from "../support/wait.ts";

const onMails = { worker: "mails" } as const;

suite("Workers fail", { concurrency: 3 }, () => {
  test("a worker that is wedged with a job in hand is never taken away (rows 3, 12)", async () => {
    await using stage = await setStage({ pools: [pool("mails", { min: 1 }), calm], workerEnv: { LOCK_MS: "30000" } });
    await keepsWedged(stage, 5, 5_000);
    await stage.judge();
  });

  test("a long job outlives the scale-down of all others (rows 2, 3)", async () => {
    await using stage = await setStage({ pools: [pool("mails"), calm], constants: { duplicates: "fail" } });
    const until = join(stage.dir, "release");
    await stage.enqueue("mails", 1, 0, { until });
    await stage.enqueue("mails", 5, 300);
    await stage.busy(1);
    await stage.settles("mails", 1);
    await writeFile(until, "");
    await stage.drained();
    await stage.settles("mails", 0);
    await stage.judge();
  });

  test("a worker that is killed with a job in hand is replaced, and its job is done by another", async () => {
    await whileBusy({}, async (stage) => {
      const [victim] = stage.processes("mails");
      assert.ok(victim !== undefined);
      await stage.fault({ fault: "SIGKILL", ...onMails, member: victim.id }, async () => {
        kill(victim.pid, "SIGKILL");
        await waitFor("it to be gone", () => stage.processes("mails").every(({ pid }) => pid !== victim.pid));
      });
    });
  });

  test("half of the workers vanish again and again: no oscillation", async () => {
    await whileBusy({ jobs: 20, jobMs: 500 }, (stage) =>
      stage.fault({ fault: "eviction", ...onMails }, async () => {
        for (let round = 0; round < 4; round++) {
          for (const { pid } of stage.processes("mails").slice(0, 2)) kill(pid, "SIGKILL");
          await pause(900);
        }
      }),
    );
  });

  test("a program that ends at once is tried ever more rarely, and says so (row 13)", async () => {
    const broken = pool("mails", { command: [process.execPath, "-e", "process.exit(1)"], max: 3 });
    await using stage = await setStage({ pools: [broken, calm] });
    await stage.settles("calm", 1);
    await stage.fault({ fault: "crash loop", ...onMails }, async () => {
      await stage.enqueue("mails", 6, 100);
      await waitFor("the condition", async () => (await stage.snapshot("mails")).trouble?.reason === "CrashLooping");
      await pause(3000);
    });
    const { lines } = await stage.judge();
    const starts = lines.filter((line) => line.kind === "member" && line.worker === "mails" && line.event === "started").length;
    assert.ok(starts < 40, `${starts} starts`);
  });

  test("workers that live and take nothing are told of, and not ever more of them are started (row 12)", async () => {
    const idle = pool("mails", { command: [process.execPath, "-e", "setInterval(() => {}, 1000)"], max: 3 });
    await using stage = await setStage({ pools: [idle, calm] });
    await stage.settles("calm", 1);
    await stage.fault({ fault: "not consuming", ...onMails }, async () => {
      await stage.enqueue("mails", 12, 100);
      await stage.settles("mails", 3);
      await waitFor("it to be told", async () => (await stage.snapshot("mails")).untakenSince !== undefined);
      await pause(2000);
    });
    const { lines } = await stage.judge();
    const starts = lines.filter((line) => line.kind === "member" && line.worker === "mails" && line.event === "started").length;
    assert.equal(starts, 3, "and none is started anew for it");
  });

  test("while workers leave with jobs in hand, new work has its maximum of others, and no more (row 25)", async () => {
    const mails = pool("mails", { max: 4, waitingPerReplica: 1 });
    await using stage = await setStage({ pools: [mails, calm], constants: { duplicates: "fail" } });
    const until = join(stage.dir, "release");
    await stage.enqueue("mails", 4, 0, { until });
    await stage.busy(4);
    await stage.edit([{ ...mails, max: 1 }, calm]);
    await stage.enqueue("mails", 6, 100);
    await pause(3000);
    assert.equal(stage.processes("mails").length, 4, "four are busy: neither fewer for the maximum nor more for what waits");
    await stage.edit([mails, calm]);
    await pause(1500);
    assert.ok(stage.processes("mails").length <= 4);
    await writeFile(until, "");
    await stage.drained();
    await stage.settles("mails", 0);
    await stage.judge();
  });

  test("a program that is not there is a condition, not a storm (row 13)", async () => {
    await using stage = await setStage({ pools: [pool("mails", { command: ["no-such-program-here"] }), calm] });
    await stage.settles("calm", 1);
    await stage.fault({ fault: "no program", ...onMails }, async () => {
      await stage.enqueue("mails", 6, 100);
      await waitFor("the condition", async () => (await stage.snapshot("mails")).trouble?.reason === "CannotStart");
      await pause(1500);
    });
    await stage.judge();
  });

  test("jobs that nobody may take are no demand: paused, and delayed for long (row 48)", async () => {
    await using stage = await setStage({ pools: [pool("mails"), calm] });
    await stage.settles("calm", 1);
    await stage.pauseQueue("mails", true);
    await stage.enqueue("mails", 10, 100);
    await pause(2500);
    assert.equal(stage.processes("mails").length, 0, "a paused queue wakes nobody");
    await stage.pauseQueue("mails", false);
    await stage.drained();
    await stage.enqueue("mails", 10, 100, { delayMs: 3_600_000 });
    await stage.settles("mails", 0);
    await stage.judge();
  });

  test("a job that kills every worker that takes it: the others are served, and starts stay few (row 49)", async () => {
    await using stage = await setStage({ pools: [pool("mails"), calm], workerEnv: { MAX_STALLED: "2" } });
    await stage.settles("calm", 1);
    await stage.fault({ fault: "poison", ...onMails }, async () => {
      await stage.enqueue("mails", 1, 0, { poison: true });
      await stage.enqueue("mails", 8, 300);
      await stage.drained();
      await waitFor("the poison to be given up", async () => (await stage.admin.zCard("bull:mails:failed")) === 1);
    });
    await stage.settles("mails", 0);
    const { lines } = await stage.judge();
    const starts = lines.filter((line) => line.kind === "member" && line.worker === "mails" && line.event === "started").length;
    assert.ok(starts < 20, `${starts} starts`);
  });
});
