import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdir, writeFile } from "node:fs/promises";
import { suite, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { ask } from "../faults/support/ask.ts";
import { pool } from "../faults/support/pools.ts";
import { calm } from "../faults/support/scenario.ts";
import { type Stage, setStage } from "../faults/support/stage.ts";

const run = promisify(execFile);
const onMain = { connection: "main" } as const;
const list = pool("list", { kind: "list", max: 3, waitingPerReplica: 1 });

async function metric(stage: Stage, name: string): Promise<number> {
  const text = await ask(`${stage.life().url}/metrics`);
  return Number(new RegExp(`^${name} (\\S+)`, "m").exec(text)?.[1]);
}

suite("What worktide lives on runs out", { concurrency: 3 }, () => {
  test("behind a server that is stopped nothing piles up, with hundreds of triggers and a small heap (rows 29, 78)", async () => {
    const many = Array.from({ length: 150 }, (_, index) =>
      pool(`many-${index}`, { kind: "list", max: 1, waitingPerReplica: 10, everyMs: 500 }),
    );
    await using stage = await setStage({
      pools: [...many, calm],
      empty: true,
      env: { NODE_OPTIONS: "--max-old-space-size=96" },
    });
    await stage.settles("calm", 1);
    const before = await metric(stage, "process_resident_memory_bytes");
    await stage.fault({ fault: "SIGSTOP", ...onMain, outage: true }, async () => {
      stage.redis.stopProcess();
      await stage.sees("many-149", "timeout");
      await pause(6000);
      stage.redis.contProcess();
    });
    await stage.sees("many-149", undefined);
    const after = await metric(stage, "process_resident_memory_bytes");
    assert.ok(after - before < 40e6, `${Math.round((after - before) / 1e6)} MB more`);
    await stage.judge();
  });

  test("no file descriptor is left: it lives, holds, and comes back (row 77)", async (t) => {
    const there = await run("prlimit", ["--version"]).then(
      () => true,
      () => false,
    );
    if (!there) return t.skip("needs prlimit, of util-linux");
    await using stage = await setStage({ pools: [list, calm] });
    await stage.settles("list", 3);
    await stage.fault({ fault: "EMFILE" }, async () => {
      const { pid } = stage.life();
      const used = (await readdir(`/proc/${pid}/fd`)).map(Number);
      // A little room, or nobody could be asked how it is.
      await run("prlimit", ["--pid", String(pid), `--nofile=${Math.max(...used) + 2}:4096`]);
      stage.proxy.cut();
      await pause(3000);
      assert.equal(stage.processes("list").length, 3);
      await run("prlimit", ["--pid", String(pid), "--nofile=1024:4096"]);
    });
    await stage.sees("list", undefined);
    await stage.settles("list", 3);
    await stage.judge();
  });

  test("started while Redis is away: workers are adopted and held, for nothing is known (row 39)", async () => {
    await using stage = await setStage({ pools: [list, calm] });
    await stage.settles("list", 3);
    await stage.fault({ fault: "refused", ...onMain, outage: true }, async () => {
      await stage.proxy.set({ kind: "refuse" });
      stage.proxy.cut();
      await stage.killAndRestart();
      await stage.sees("list", "unreachable");
      await pause(3000);
      assert.equal(stage.processes("list").length, 3);
      await stage.proxy.set({ kind: "pass" });
    });
    await stage.sees("list", undefined);
    await stage.settles("list", 3);
    const { writes } = await stage.judge();
    assert.ok(writes("list").every(({ from, to }) => to > from));
  });

  test("a secret that is rotated in its file is used at the next dial, and the old one never again (row 27)", async () => {
    await using stage = await setStage({ pools: [list, calm], passwordFile: true });
    await stage.settles("list", 3);
    const next = "n3w/s3cret-of-this-run";
    await stage.fault({ fault: "rotation", ...onMain, readable: true }, async () => {
      await writeFile(stage.passwordPath, next);
      await stage.admin.sendCommand(["ACL", "SETUSER", "worktide", "resetpass", `>${next}`]);
      await stage.admin.sendCommand(["CLIENT", "KILL", "USER", "worktide"]);
      await pause(300);
      await stage.sees("list", undefined);
    });
    await stage.judge();
  });
});
