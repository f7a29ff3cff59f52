import assert from "node:assert/strict";
import { chmodSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { createRig, signal, temporaryFolder, until } from "./rig.ts";

describe("a worker that exits by itself", () => {
  it("is started again at once, the size stays", async (t) => {
    const { target, grow, events, staying } = await createRig(t, { script: "worker.mjs" });
    await grow(3);
    const victim = events("started")[0];
    process.kill(victim?.pid ?? 0, "SIGKILL");
    await until("another is there", () => events("started").length === 4 && target.pool().existing === 3);
    assert.equal(staying().includes(victim?.id ?? ""), false);
    assert.equal(target.pool().wanted, 3);
    assert.equal(target.trouble(), undefined);
  });

  it("again and again makes it wait longer each time, and is told with the code and the last line", async (t) => {
    const { target, grow, events } = await createRig(t, { script: "crash.mjs", env: { ...process.env, SECRET: "hunter2" } });
    await grow(4);
    await until("trouble is told", () => target.trouble() !== undefined);
    const { reason, message } = target.trouble() ?? { reason: "", message: "" };
    assert.equal(reason, "CrashLooping");
    assert.match(
      message,
      /^mails-\d-[0-9a-f]{4} exited by itself, code 3; .* 3 times in a row; the last line of its log: boom: nothing to connect to$/,
    );
    assert.equal(message.includes("hunter2"), false);
    // Three times the whole pool, then one at a time.
    assert.ok(events("started").length <= 12, `${events("started").length} starts`);
    assert.equal(target.pool().wanted, 4);
    await until("the others ended too", () => target.pool().existing === 0);
    const applied = await target.apply({ from: 4, to: 0, remove: [], decision: "test" }, signal);
    assert.equal(applied.size, 0, "those that are not there can always be taken back");
  });

  it("with code 0 counts as one that failed", async (t) => {
    const { target, grow } = await createRig(t, { script: "crash.mjs", args: ["0"] });
    await grow(1);
    await until("trouble is told", () => target.trouble() !== undefined);
    assert.match(target.trouble()?.message ?? "", /exited by itself, code 0/);
  });
});

describe("a worker that cannot be started", () => {
  const message = async (t: Parameters<typeof createRig>[0], spec: { command?: readonly string[]; cwd?: string }) => {
    const { target, grow, stateDir, events } = await createRig(t, { script: "worker.mjs", spec });
    await grow(50);
    await until("trouble is told", () => target.trouble() !== undefined);
    assert.equal(target.trouble()?.reason, "CannotStart");
    assert.equal(events("started").length, 0);
    assert.equal(target.pool().existing, 0);
    assert.deepEqual(readdirSync(join(stateDir, "logs")), []);
    return target.trouble()?.message ?? "";
  };

  it("because there is no such program, is told with its name and the way out", async (t) => {
    assert.match(
      await message(t, { command: ["no-such-program-here", "x"] }),
      /no program "no-such-program-here" on the PATH .* install it, or correct target\.process\.command/,
    );
  });

  it("because there is no such folder, is told with the folder", async (t) => {
    assert.match(
      await message(t, { cwd: "/no/such/folder" }),
      /there is no folder \/no\/such\/folder: create it, or correct target\.process\.cwd/,
    );
  });

  it("because it may not be executed, is told so, and is started once it may", async (t) => {
    const program = join(temporaryFolder(), "worker.sh");
    writeFileSync(program, "#!/bin/sh\nexec sleep 60\n", { mode: 0o600 });
    const { target, grow } = await createRig(t, { script: "", spec: { command: [program] } });
    await grow(2);
    await until("trouble is told", () => target.trouble() !== undefined);
    assert.match(target.trouble()?.message ?? "", /worker\.sh" may not be executed .*chmod \+x/);
    chmodSync(program, 0o700);
    await until("both run", () => target.pool().existing === 2);
    assert.equal(target.trouble(), undefined);
  });
});
