import assert from "node:assert/strict";
import { chown, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { lockState, runningAddress } from "../../src/cli/lock.ts";

async function freshFolder() {
  const folder = await mkdtemp(join(tmpdir(), "worktide-lock-"));
  return { folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}

const world = { pid: process.pid, uid: process.getuid?.() };

test("Whatever stands in the place of the lock is replaced or told of in a sentence, and no link is followed", async () => {
  for (const left of ["", "null", "[1]", '{"pid":"x"}', '{"pid":1e99,"start":"1"}', '{"pid"', "{}"]) {
    await using place = await freshFolder();
    const victim = join(place.folder, "victim");
    await writeFile(victim, left);
    const state = join(place.folder, "state");
    await mkdir(state);
    await symlink(victim, join(state, "running.json"));
    {
      using lock = lockState(state, world);
      lock.publish("http://127.0.0.1:1");
      assert.equal(runningAddress(state), "http://127.0.0.1:1", left);
    }
    assert.equal(await readFile(victim, "utf8"), left, "what the link led to is as it was");
  }
  await using place = await freshFolder();
  await mkdir(join(place.folder, "running.json"));
  assert.throws(() => lockState(place.folder, world), { name: "UsageError", message: /^cannot write to the state directory/ });
});

test("A state directory that cannot be made is told of by the folder that takes none, not in Node's words", (t) => {
  if (process.platform !== "linux") return t.skip("needs a file system that takes no folders");
  assert.throws(() => lockState("/proc/self/fdinfo/shop/state", world), {
    name: "UsageError",
    message: /^cannot make the state directory '.*': '\/proc\/self\/fdinfo' takes no new folder; .*--state$/,
  });
});

test("A state directory of another user is not taken: it would say which processes get signals", async (t) => {
  if (process.getuid?.() !== 0) return t.skip("needs root, to give a folder away");
  await using place = await freshFolder();
  await chown(place.folder, 65_534, 65_534);
  assert.throws(() => lockState(place.folder, world), { name: "UsageError", message: /belongs to another user: .*--state$/ });
});
