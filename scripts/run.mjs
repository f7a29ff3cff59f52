// Runs a script of this repository with the Node it needs: `node scripts/run.mjs scripts/test.ts …`.
// Plain JavaScript for any Node from 16 on, because the machine's own Node may be older than Worktide's: the right one
// is a locked package. Installs the packages first where they are missing or are not those of package-lock.json.
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const modules = path.join(root, "node_modules");
const wanted = 24;
const onTerminal = [process.stdin, process.stdout, process.stderr].some((stream) => stream.isTTY);

/** Runs a program to its end; resolves with its exit code, or with the signal that ended it. */
function run(command, args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: "inherit", ...options });
    // Ctrl-C reaches the whole foreground group by itself: passed on, it would arrive twice.
    const pass = (signal) => {
      if (signal !== "SIGINT" || !onTerminal) child.kill(signal);
    };
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, pass);
    // npm's shell dies of a signal without passing it on: who is left alone was meant too.
    const parent = process.ppid;
    const alone = setInterval(() => process.ppid !== parent && child.kill("SIGTERM"), 1000);
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearInterval(alone);
      for (const each of ["SIGINT", "SIGTERM", "SIGHUP"]) process.off(each, pass);
      resolve({ code, signal });
    });
  });
}

/** Whether every package of package-lock.json is there in its locked version. Others' platforms may be missing. */
function isInstalled() {
  try {
    const packages = (file) => JSON.parse(readFileSync(file, "utf8")).packages;
    const locked = Object.entries(packages(path.join(root, "package-lock.json")));
    const present = packages(path.join(modules, ".package-lock.json"));
    return locked.every(([at, { version, optional, peer }]) => {
      if (at === "") return true;
      return present[at] ? present[at].version === version : optional === true || peer === true;
    });
  } catch {
    return false; // no lock inside node_modules, or half of one: an installation that never came to its end
  }
}

async function install() {
  process.stderr.write("worktide: installing packages, once (about 20 s)\n");
  // npm tells its scripts where it is; without it (plain `node scripts/run.mjs`) the one on the PATH has to do.
  const npm = process.env.npm_execpath;
  const args = ["ci", "--no-progress", "--loglevel=error"];
  const options = { stdio: ["ignore", 2, 2], shell: !npm && process.platform === "win32" };
  const { code, signal } = npm?.endsWith("js")
    ? await run(process.execPath, [npm, ...args], options)
    : await run("npm", args, options);
  if (code !== 0) fail(`installing packages failed (npm ci: ${signal ?? `exit code ${code}`}): see above`);
}

/** The packaged Node, else this very one where it is new enough. */
function findNode() {
  const packaged = path.join(modules, ".bin", process.platform === "win32" ? "node.exe" : "node");
  if (existsSync(packaged)) return packaged;
  if (Number.parseInt(process.versions.node, 10) >= wanted) return process.execPath;
  return fail(
    `Worktide needs Node ${wanted}; this platform (${process.platform}-${process.arch}) has no packaged one, and here is ` +
      `Node ${process.versions.node}: install it from https://nodejs.org and run again`,
  );
}

function fail(message) {
  process.stderr.write(`worktide: ${message}\n`);
  process.exit(1);
}

if (!isInstalled()) await install();
const node = findNode();
const PATH = [path.join(modules, ".bin"), process.env.PATH].join(path.delimiter);
// npm runs scripts at the root of the package; people call this file from anywhere, with paths of where they are.
const { code, signal } = await run(node, process.argv.slice(2), { cwd: process.cwd(), env: { ...process.env, PATH } });
if (signal) process.kill(process.pid, signal);
else process.exitCode = code ?? 1;
