import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";

const root = path.join(import.meta.dirname, "..");
type Ended = Readonly<{ code: number; stdout: string; stderr: string }>;

function run(command: string, args: readonly string[], cwd: string, signal: AbortSignal): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(command, args, { cwd, signal, maxBuffer: 16 << 20 }, (error, stdout, stderr) => {
      resolve({ code: error ? (typeof error.code === "number" ? error.code : 1) : 0, stdout, stderr });
    });
  });
}

async function succeed(...args: Parameters<typeof run>): Promise<Ended> {
  const ended = await run(...args);
  assert.equal(ended.code, 0, `${args[0]} ${args[1].join(" ")}\n${ended.stdout}${ended.stderr}`);
  return ended;
}

test("the package, packed and installed in an empty folder, runs", { timeout: 600_000 }, async (t) => {
  const { signal } = t;
  const folder = await mkdtemp(path.join(tmpdir(), "worktide-package-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const { version } = JSON.parse(await readFile(path.join(root, "package.json"), "utf8"));

  await succeed(process.execPath, ["scripts/build.ts", path.join(folder, "dist")], root, signal);
  await succeed("npm", ["pack", "--silent", "./dist"], folder, signal);
  const install = ["install", "--silent", "--no-audit", "--no-fund", "--prefer-offline", "--ignore-scripts"];
  await succeed("npm", ["init", "--yes", "--silent"], folder, signal);
  await succeed("npm", [...install, `./worktide-${version}.tgz`], folder, signal);
  const bin = path.join(folder, "node_modules", ".bin", "worktide");

  await t.test("and says its version", async () => {
    assert.equal((await succeed(bin, ["--version"], folder, signal)).stdout.trim(), version);
  });

  await t.test("and checks a file, without a checkout beside it", async () => {
    const good = path.join(root, "examples", "local", "worktide.yaml");
    await succeed(bin, ["check", "-f", good], folder, signal);
    const missing = await run(bin, ["check", "-f", "missing.yaml"], folder, signal);
    assert.notEqual(missing.code, 0);
    assert.doesNotMatch(missing.stderr, /\n\s+at /, "a user's mistake needs no stack trace");
  });

  await t.test("and prints an install for a cluster", async () => {
    const { stdout } = await succeed(bin, ["manifests"], folder, signal);
    for (const kind of ["CustomResourceDefinition", "Deployment", "ClusterRole"])
      assert.ok(stdout.includes(`kind: ${kind}\n`), kind);
  });

  await t.test("and carries the page, the types, the licence and the editors' schemas, but no Node of its own", async () => {
    const at = path.join(folder, "node_modules", "worktide");
    const files = ["src/web/page/index.html", "src/core/contract.d.ts", "LICENSE", "manifests/schema/worktide.schema.json"];
    for (const file of files) assert.ok((await readFile(path.join(at, file), "utf8")).length > 0, file);
    const manifest = JSON.parse(await readFile(path.join(at, "package.json"), "utf8"));
    assert.equal(manifest.optionalDependencies, undefined);
  });
});
