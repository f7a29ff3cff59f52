import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { createStateFile, type PoolState } from "../../src/targets/process-state.ts";
import { createRig, temporaryFolder, until } from "./rig.ts";

const state: PoolState = {
  ...{ version: 1, uid: "u", boot: "b", wanted: 2, changedAt: 1.5 },
  members: [{ id: "mails-1-abcd", slot: 1, pid: 7, start: "9", startedAt: 1, leaving: false }],
};

/** A file system of 64 KiB that is full; undefined where we may not mount one. */
function fullDisk(t: TestContext): { dir: string; free(): void } | undefined {
  const dir = temporaryFolder();
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", dir], { stdio: "ignore" });
  } catch {
    return undefined;
  }
  t.after(() => execFileSync("umount", ["-l", dir]));
  const filler = join(dir, "filler");
  try {
    for (;;) writeFileSync(filler, Buffer.alloc(4096), { flag: "a" });
  } catch {
    return { dir, free: () => rmSync(filler) };
  }
}

describe("the state file", () => {
  it("gives back what was saved, and leaves nothing else in its folder", () => {
    const dir = temporaryFolder();
    const file = createStateFile(join(dir, "mails.json"), assert.fail);
    assert.equal(file.read(), undefined);
    file.save(state);
    assert.deepEqual(file.read(), state);
    assert.deepEqual(readdirSync(dir), ["mails.json"]);
  });

  for (const [what, text] of [
    ["cut short", '{"version":1,'],
    ["empty", ""],
    ["of another version", JSON.stringify({ ...state, version: 2 })],
    ["with a pid that would reach every process", JSON.stringify({ ...state, members: [{ ...state.members[0], pid: -1 }] })],
  ] as const) {
    it(`is put aside and told of when it is ${what}`, () => {
      const path = join(temporaryFolder(), "mails.json");
      writeFileSync(path, text);
      const told: string[] = [];
      assert.equal(createStateFile(path, (_fields, message) => told.push(message)).read(), undefined);
      assert.deepEqual(told, ["state file is broken: put aside, started without it"]);
      assert.deepEqual(readdirSync(join(path, "..")), ["mails.json.broken"]);
    });
  }

  it("that cannot be written for a full disk is told of once, and the pool goes on from memory", async (t) => {
    const disk = fullDisk(t);
    if (disk === undefined) return t.skip("may not mount a tmpfs here");
    const { target, grow, said, staying } = await createRig(t, {
      script: "worker.mjs",
      stateDir: disk.dir,
      spec: { logs: "Discard" },
    });
    await grow(3);
    await until("all are ready", () => target.pool().ready === 3);
    assert.equal(staying().length, 3);
    assert.equal(said.filter((message) => message.startsWith("state file cannot be written")).length, 1);
    disk.free();
    await grow(4);
    assert.deepEqual(readdirSync(join(disk.dir, "pools")), ["mails.json"]);
  });
});
