import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";

const root = path.join(import.meta.dirname, "..", "..");
/** What a checkout has, and what grows in it. */
const left = new Set(["node_modules", ".git", "dist", ".worktide"].map((name) => path.join(root, name)));

describe("npm run new-scaler, in a copy of the checkout", () => {
  let copy = "";
  before(async () => {
    copy = await mkdtemp(path.join(tmpdir(), "worktide-checkout-"));
    await cp(root, copy, { recursive: true, filter: (source) => !left.has(source) });
    await symlink(path.join(root, "node_modules"), path.join(copy, "node_modules"));
  });
  after(() => rm(copy, { recursive: true, force: true }));

  const run = (...args: readonly string[]) =>
    new Promise<Readonly<{ code: number; output: string }>>((resolve) => {
      const { NODE_TEST_CONTEXT: _, ...env } = process.env;
      execFile(process.execPath, ["scripts/run.mjs", ...args], { cwd: copy, env }, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code ?? -1), output: stdout + stderr }),
      );
    });
  const lay = (...words: readonly string[]) => run("scripts/new-scaler.ts", ...words);

  it("says what is wrong with its words, and writes nothing then", async () => {
    assert.match((await lay()).output, /^usage: npm run new-scaler NAME \[BROKER\]/);
    assert.match((await lay("redis")).output, /there is a scaler 'redis' already: scalers\/redis.ts/);
    assert.match((await lay("My-Queue")).output, /'My-Queue' must be the key of a trigger/);
    assert.match((await lay("herring", "fish")).output, /'fish' must be one of redis, /);
    assert.equal((await lay("herring", "clock")).code, 2);
    await assert.rejects(readFile(path.join(copy, "scalers/herring.ts")), { code: "ENOENT" });
  });

  it("lays out what passes the check, is documented and offered, and whose tests fail until it measures", async () => {
    const { code, output } = await lay("herring", "rabbitmq");
    assert.equal(code, 0, output);
    assert.match(output, /next: docs\/writing-a-scaler.md/);
    const [page, checked, tested] = [
      await readFile(path.join(copy, "docs/reference/scalers/herring.md"), "utf8"),
      await run("scripts/check.ts"),
      await run("--test", "test/scalers/herring.test.ts"),
    ];
    assert.match(page, /^# herring$/m);
    assert.match(page, /with `rabbitmq`, every 1s/);
    assert.equal(checked.code, 0, checked.output);
    assert.notEqual(tested.code, 0);
    assert.match(tested.output, /start the real service here/);
    assert.match(tested.output, /a test for each trap of the source/);
    assert.match(tested.output, /^ℹ pass 0$/m, "nothing passes that was not shown");
    const examples = await run("--test", "test/api/examples.test.ts");
    assert.equal(examples.code, 0, examples.output);
    assert.equal((await lay("herring", "rabbitmq")).code, 2, "a second time nothing is written over");
  });
});
