import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { celeryCommand, pool } from "../faults/support/pools.ts";
import { setStage } from "../faults/support/stage.ts";
import { findPython } from "../support/python.ts";

const found = await findPython();
const python = "python" in found ? found.python : "";
const skip = "missing" in found ? found.missing : false;

/** Celery begins in two seconds where a quick worker takes a fifth of one. */
const slow = { transitionMs: 10_000 } as const;
const tasks = (prefetch: number) => pool("tasks", { kind: "celery", command: celeryCommand(python, prefetch) });

suite("Celery under faults", { concurrency: 2, skip }, () => {
  test("one worker hoards all tasks: the list is empty, and nobody who holds a task is stopped (rows 2, 18)", async () => {
    await using stage = await setStage({ pools: [tasks(16)], constants: { ...slow, duplicates: "fail" } });
    await stage.enqueue("tasks", 14, 700);
    await stage.busy(1);
    await stage.drained();
    await stage.settles("tasks", 0);
    const { writes } = await stage.judge();
    assert.ok(writes("tasks").some(({ to }) => to === 3));
  });

  test("tasks that last longer than the visibility timeout are given out again, and do not make the pool run away (row 19)", async () => {
    const trigger = { celery: { queues: ["celery"], visibilityTimeout: "3s" } };
    const late = { CELERY_ACKS_LATE: "1", CELERY_VISIBILITY: "3" };
    await using stage = await setStage({
      pools: [pool("tasks", { kind: "celery", command: celeryCommand(python, 1), trigger, max: 8, waitingPerReplica: 1 })],
      workerEnv: late,
      constants: slow,
    });
    await stage.enqueue("tasks", 2, 8000);
    await stage.drained();
    await stage.settles("tasks", 0);
    const { lines, writes, duplicates } = await stage.judge();
    const begun = lines.filter((line) => line.kind === "job.start");
    // Each time that one is given out it may ask for a worker, once; never for more than that.
    const most = Math.max(...writes("tasks").map(({ to }) => to));
    assert.ok(most <= Math.min(8, begun.length), `${begun.length} begun, ${duplicates} again`);
    for (const { result, sentAt, receivedAt } of lines.filter((line) => line.kind === "read")) {
      if (!("reading" in result)) continue;
      const { waiting = 0, reserved = 0, running = 0 } = result.reading;
      // The list is read before the workers are asked: one that begins meanwhile is seen twice, and never not at all.
      const twice = begun.filter(({ t }) => t > sentAt && t < receivedAt + 100).length;
      assert.ok(waiting + reserved + running <= 2 + duplicates + twice, JSON.stringify(result.reading));
    }
  });

  test("the connection is cut over and over while the pool shrinks: no task is lost or run twice (row 68)", async () => {
    await using stage = await setStage({ pools: [tasks(1)], constants: { ...slow, duplicates: "fail" } });
    await stage.occupied("tasks", 8, 600);
    await stage.fault({ fault: "cuts", connection: "main" }, async () => {
      for (let round = 0; round < 10; round++) {
        stage.proxy.cut();
        await pause(500);
      }
    });
    await stage.enqueue("tasks", 4, 600);
    await stage.drained();
    await stage.settles("tasks", 0);
    await stage.judge();
  });

  test("worktide is killed while it quiets workers: those that stay work again (rows 38, 68)", async () => {
    await using stage = await setStage({ pools: [tasks(1)], constants: { ...slow, duplicates: "fail" } });
    await stage.occupied("tasks", 6, 500);
    await stage.drained();
    for (let round = 0; round < 3; round++) {
      await pause(400);
      await stage.killAndRestart();
    }
    await stage.enqueue("tasks", 6, 500);
    await stage.drained();
    await stage.settles("tasks", 0);
    await stage.judge();
  });
});
