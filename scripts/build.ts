// Makes dist/, the package for npm: JavaScript and types, the page's files, and a package.json of its own without what
// only this repository needs (scripts, tools, the packaged Node, which would shadow the Node of whoever installs us).
// `npm run build`, or `npm run build -- FOLDER` for another place than dist/.
import { spawnSync } from "node:child_process";
import { chmod, cp, readFile, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";

const root = path.join(import.meta.dirname, "..");
const dist = path.resolve(process.argv[2] ?? path.join(root, "dist"));

await rm(dist, { recursive: true, force: true });
const { status } = spawnSync("tsc", ["-p", "tsconfig.build.json", "--outDir", dist], { cwd: root, stdio: "inherit" });
if (status !== 0) throw new Error("emitting dist: see the messages of tsc above");

const read = ["src/web/page", "src/brokers/protos"];
for (const copied of [...read, "README.md", "CHANGELOG.md", "LICENSE", "docs/reference", "manifests/schema", "examples"]) {
  if (await exists(copied)) await cp(path.join(root, copied), path.join(dist, copied), { recursive: true });
}
await writeFile(path.join(dist, "package.json"), `${JSON.stringify(await manifest(), null, 2)}\n`);
await writeFile(path.join(dist, "bin.js"), await bin(), { mode: 0o755 });
await chmod(path.join(dist, "bin.js"), 0o755); // `mode` above is subject to the umask
console.log(`wrote ${dist}: \`npm pack\` there makes the package`);

async function manifest(): Promise<object> {
  const { name, version, description, license, type, engines, dependencies } = JSON.parse(
    await readFile(path.join(root, "package.json"), "utf8"),
  );
  const contract = { types: "./src/core/contract.d.ts", default: "./src/core/contract.js" };
  const exports = { "./contract": contract, "./schema/*": "./manifests/schema/*", "./package.json": "./package.json" };
  return { name, version, description, license, type, engines, bin: { worktide: "bin.js" }, exports, dependencies };
}

/** The command: an old Node gets a sentence in place of a syntax error. */
async function bin(): Promise<string> {
  return `#!/usr/bin/env node
if (Number.parseInt(process.versions.node, 10) < 24) {
  process.stderr.write("worktide needs Node 24 or later; this is Node " + process.versions.node + "\\n");
  process.exit(1);
}
await import("./src/main.js");
`;
}

async function exists(file: string): Promise<boolean> {
  try {
    await stat(path.join(root, file));
    return true;
  } catch {
    return false;
  }
}
