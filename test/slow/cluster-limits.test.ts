import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { backlog } from "../faults/cluster/support/backlog.ts";
import { type ClusterStage, setClusterStage } from "../faults/cluster/support/stage.ts";
import { ask } from "../faults/support/ask.ts";
import { celeryCommand, pool } from "../faults/support/pools.ts";
import { calm } from "../faults/support/scenario.ts";
import type { Access } from "../support/cluster/access.ts";
import { noControlPlane } from "../support/control-plane.ts";
import { findPython } from "../support/python.ts";
import { sharedControlPlane } from "../support/shared-control-plane.ts";

const run = promisify(execFile);
const python = await findPython();

const residentBytes = async (url: string) =>
  Number(/^process_resident_memory_bytes (\S+)/m.exec(await ask(`${url}/metrics`))?.[1]);

/** Waits until the readings of a pool are fresh, or are not. */
const fresh = (stage: ClusterStage, name: string, status: "True" | "False") =>
  stage.wait(`ReadingsFresh of ${name} to be ${status}`, async () => {
    const { conditions = [] } = (await stage.get(name)).status ?? {};
    return conditions.some((one) => one.type === "ReadingsFresh" && one.status === status);
  });

suite("What a controller and its workers live on runs out", { skip: await noControlPlane(), concurrency: 2 }, () => {
  let plane: Access;
  before(async () => {
    plane = await sharedControlPlane();
  });
  after(() => plane?.[Symbol.asyncDispose]());

  test("behind a Redis that is stopped nothing piles up, with many pools and a small heap (rows 29, 78)", async () => {
    const many = Array.from({ length: 60 }, (_, index) =>
      pool(`many-${index}`, { kind: "list", max: 1, waitingPerReplica: 10, everyMs: 500 }),
    );
    await using stage = await setClusterStage(plane, { pools: [...many, calm], empty: true });
    const { life } = await stage.start({ env: { NODE_OPTIONS: "--max-old-space-size=96" } });
    await stage.settles("calm", 1);
    await fresh(stage, "many-59", "True");
    const before = await residentBytes(life.url);
    await stage.fault({ fault: "SIGSTOP", connection: "main", outage: true }, async () => {
      stage.redis.stopProcess();
      await fresh(stage, "many-59", "False");
      await pause(6_000);
      stage.redis.contProcess();
    });
    await fresh(stage, "many-59", "True");
    const growth = (await residentBytes(life.url)) - before;
    assert.ok(growth < 40e6, `${Math.round(growth / 1e6)} MB more`);
    assert.ok(!life.gone());
    await stage.judge();
  });

  test("no file descriptor is left: it lives, holds, and goes on when there are some again (row 77)", async (t) => {
    const there = await run("prlimit", ["--version"]).then(
      () => true,
      () => false,
    );
    if (!there) return t.skip("needs prlimit, of util-linux");
    await using stage = await setClusterStage(plane, { pools: [backlog] });
    const { api, life } = await stage.start();
    await stage.settles("backlog", 3);
    await stage.fault({ fault: "EMFILE" }, async () => {
      const used = (await readdir(`/proc/${life.pid}/fd`)).map(Number);
      // A little room, or nobody could be asked how it is.
      await run("prlimit", ["--pid", String(life.pid), `--nofile=${Math.max(...used) + 2}:4096`]);
      stage.proxy.cut();
      api.cut();
      await stage.admin.del("backlog:backlog");
      await pause(3_000);
      assert.ok(!life.gone());
      await run("prlimit", ["--pid", String(life.pid), "--nofile=1024:4096"]);
      await stage.admin.rPush("backlog:backlog", ["1", "2", "3", "4", "5"]);
      await stage.size("backlog", 5);
    });
    await stage.settles("backlog", 5);
    await stage.judge();
  });

  const celery = "missing" in python ? { skip: python.missing } : {};
  test("pods of Celery go while tasks come in and connections break: none is lost or run twice (row 68)", celery, async () => {
    const command = celeryCommand("python" in python ? python.python : "", 1);
    const tasks = pool("tasks", { kind: "celery", command, min: 1 });
    await using stage = await setClusterStage(plane, { pools: [tasks], constants: { duplicates: "fail" } });
    await stage.start();
    const until = join(stage.dir, "release");
    await stage.enqueue("tasks", 1, 0, { until });
    await stage.busy(1);
    await stage.enqueue("tasks", 8, 500);
    await stage.settles("tasks", 3);
    await stage.fault({ fault: "cuts", connection: "main" }, async () => {
      for (let round = 0; round < 10; round++) {
        stage.proxy.cut();
        if (round % 3 === 0) await stage.enqueue("tasks", 1, 300);
        await pause(500);
      }
    });
    await stage.settles("tasks", 1);
    await writeFile(until, "");
    await stage.drained();
    await stage.judge();
  });
});
