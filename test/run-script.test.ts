import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import path from "node:path";
import { test } from "node:test";

const script = path.join(import.meta.dirname, "..", "scripts", "run.mjs");

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
