import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { findPython } from "../support/python.ts";
import { celeryCommand, pool } from "./support/pools.ts";
import { setStage } from "./support/stage.ts";

const found = await findPython();
const python = "python" in found ? found.python : "";
const skip = "missing" in found ? found.missing : false;

/** Celery begins in two seconds where a quick worker takes a fifth of one. */
const slow = { transitionMs: 10_000 } as const;
const tasks = (prefetch: number) => pool("tasks", { kind: "celery", command: celeryCommand(python, prefetch) });

suite("Celery under faults", { concurrency: 2, skip }, () => {
  test("one worker hoards all tasks: the list is empty, and nobody who holds a task is stopped", async () => {
    await using stage = await setStage({ pools: [tasks(16)], constants: { ...slow, duplicates: "fail" } });
    await stage.enqueue("tasks", 14, 700);
    await stage.busy(1);
    await stage.drained();
    await stage.settles("tasks", 0);
    const { writes } = await stage.judge();
    assert.ok(writes("tasks").some(({ to }) => to === 3));
  });

  test("the connection is cut over and over while the pool shrinks: no task is lost or run twice", async () => {
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

  test("worktide is killed while it quiets workers: those that stay work again", async () => {
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
