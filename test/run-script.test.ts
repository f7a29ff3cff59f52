import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { waitFor } from "./support/wait.ts";

const root = path.join(import.meta.dirname, "..");
const script = path.join(root, "scripts", "run.mjs");

/** Runs a line of code by the script; `onLine` is called at its first output with the script's own process. */
function runCode(code: string, args: readonly string[] = [], onLine?: (pid: number) => void) {
  return new Promise<Readonly<{ code: number | null; signal: string | null; output: string }>>((resolve, reject) => {
    const child = spawn(process.execPath, [script, "--eval", code, ...args], { stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      if (output === "" && child.pid !== undefined) onLine?.(child.pid);
      output += text;
    });
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal, output }));
  });
}

test("a script gets the Node of the repository, its tools first on the PATH, and its arguments as they are", async () => {
  const code =
    "console.log(JSON.stringify([process.versions.node.split('.')[0], process.env.PATH.split(':')[0], process.argv.slice(1)]))";
  const [major, first, args] = JSON.parse((await runCode(code, ["--", "a b", "$c", ""])).output);
  assert.ok(Number(major) >= 24);
  assert.equal(first, path.join(import.meta.dirname, "..", "node_modules", ".bin"));
  assert.deepEqual(args, ["a b", "$c", ""]);
});

test("its exit code is passed on", async () => {
  assert.equal((await runCode("process.exit(3)")).code, 3);
});

test("a signal is passed on once, and a script that dies of one is seen to die of it", async () => {
  const ends = await runCode(
    "let n = 0; process.on('SIGTERM', () => { n++; setTimeout(() => { console.log(n); process.exit(5) }, 200) }); setInterval(() => {}, 1000); console.log('up')",
    [],
    (pid) => process.kill(pid, "SIGTERM"),
  );
  assert.deepEqual(ends, { code: 5, signal: null, output: "up\n1\n" });
  const dies = await runCode("setInterval(() => {}, 1000); console.log('up')", [], (pid) => process.kill(pid, "SIGTERM"));
  assert.equal(dies.signal, "SIGTERM");
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  test(`${signal} to a test run ends all that its files started`, {
    skip: existsSync("/proc") ? false : "needs /proc",
  }, async () => {
    const { NODE_TEST_CONTEXT: _, ...env } = process.env; // or it would not run tests within a test
    const run = [script, path.join(root, "scripts/test.ts"), "test/support/interrupted.ts"];
    const child = spawn(process.execPath, run, { cwd: root, env, stdio: ["ignore", "pipe", "inherit"] });
    const ended = once(child, "exit");
    let there: readonly number[] = [];
    const lines = createInterface({ input: child.stdout });
    lines.on("line", (line) => {
      const [, pids = ""] = /there: (.*)/.exec(line) ?? [];
      if (pids !== "") there = pids.trim().split(" ").map(Number);
    });
    await waitFor("its services", () => there.length > 0 || child.exitCode !== null);
    assert.equal(there.length, 4);
    child.kill(signal);
    await waitFor("all of them to go", () => there.every((pid) => !existsSync(`/proc/${pid}`)));
    assert.deepEqual(await ended, [null, signal]);
  });
}
