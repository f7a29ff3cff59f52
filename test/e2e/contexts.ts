import { execFile } from "node:child_process";
import { globSync } from "node:fs";
import { chmod, copyFile, cp, mkdir, readdir, readFile, realpath, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { unpackPackages } from "../support/cluster/node/debian.ts";
import { findPython } from "../support/python.ts";

const run = promisify(execFile);
export const root = path.join(import.meta.dirname, "..", "..");
const workerFiles = path.join(root, "test", "support", "workers");

/** Packages of the base for building and for workers; the base of the controller has only the last ones. */
export const basePackages = ["busybox-static", "ca-certificates", "netbase", "tzdata", "python3", "redis-tools", "libstdc++6"];
export const runtimePackages = ["libstdc++6"];

/** redis-py asks for async-timeout below Python 3.11.3, and pip looks at the Python that it runs on: Debian 12 has 3.11.2. */
const pythonPackages = ["celery[redis]==5.7.0", "async-timeout==5.0.1"];

const unpack = (packages: readonly string[]) =>
  unpackPackages({ env: process.env, packages, whole: true, onProgress: (line) => console.error(line) });

/** A root file system with Node, npm, a shell, Python and Redis. */
export async function fillBase(context: string): Promise<void> {
  await run("cp", ["-a", `${await unpack(basePackages)}/.`, context]);
  const bin = path.join(context, "usr/local/bin");
  await mkdir(bin, { recursive: true });
  await copyFile(process.execPath, path.join(bin, "node"));
  const npm = path.dirname(path.dirname(await realpath((await run("sh", ["-c", "command -v npm"])).stdout.trim())));
  await cp(npm, path.join(context, "usr/local/lib/node_modules/npm"), { recursive: true });
  await symlink("../lib/node_modules/npm/bin/npm-cli.js", path.join(bin, "npm"));
  await symlink("/usr/bin/redis-check-rdb", path.join(bin, "redis-server")); // one binary, which is what it is called
  const { stdout } = await run(path.join(context, "bin/busybox"), ["--list"]);
  const taken = new Set(await readdir(path.join(context, "usr/bin")));
  for (const name of stdout.trim().split("\n"))
    if (!taken.has(name)) await symlink("/bin/busybox", path.join(context, "usr/bin", name));
  await finish(context);
}

/** A root file system with nothing but what Node needs to run. */
export async function fillRuntime(context: string): Promise<void> {
  await run("cp", ["-a", `${await unpack(runtimePackages)}/.`, context]);
  await finish(context);
}

/** What packages leave to their scripts, which nobody ran. */
async function finish(context: string): Promise<void> {
  const authorities = path.join(await unpack(basePackages), "usr/share/ca-certificates/mozilla");
  const bundle = await Promise.all((await readdir(authorities)).map((file) => readFile(path.join(authorities, file), "utf8")));
  await mkdir(path.join(context, "etc/ssl/certs"), { recursive: true });
  await writeFile(path.join(context, "etc/ssl/certs/ca-certificates.crt"), bundle.join(""));
  await writeFile(
    path.join(context, "etc/passwd"),
    "root:x:0:0:root:/root:/bin/sh\nnonroot:x:65532:65532:nonroot:/tmp:/bin/sh\n",
  );
  await writeFile(path.join(context, "etc/group"), "root:x:0:\nnonroot:x:65532:\n");
  for (const folder of ["tmp", "root"]) await mkdir(path.join(context, folder), { recursive: true });
  await chmod(path.join(context, "tmp"), 0o1777);
}

/** The workers of the tests with BullMQ and Celery. */
export async function fillWorkers(context: string): Promise<void> {
  const found = await findPython();
  if ("missing" in found) throw new Error(found.missing);
  const target = path.join(context, "python");
  await run(found.python, ["-m", "pip", "install", "--quiet", "--no-compile", "--target", target, ...pythonPackages]);
  for (const name of await closure()) {
    await cp(path.join(root, "node_modules", name), path.join(context, "node_modules", name), { recursive: true });
  }
  for (const file of workerSources()) await copyFile(file, path.join(context, path.basename(file)));
}

/** What the image of the workers is made of, beside the base. */
export async function workerInputs(): Promise<readonly string[]> {
  const manifests = [...(await closure())].map((name) => path.join(root, "node_modules", name, "package.json"));
  return [...workerSources(), ...manifests];
}

const workerSources = (): string[] => globSync(path.join(workerFiles, "*.{mjs,py}")).sort();

/** The packages of a BullMQ worker and all that they need, as npm laid them out: flat. */
async function closure(): Promise<ReadonlySet<string>> {
  const seen = new Set<string>();
  const waiting = ["bullmq", "@redis/client"];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (seen.has(name)) continue;
    seen.add(name);
    const { dependencies = {} } = JSON.parse(await readFile(path.join(root, "node_modules", name, "package.json"), "utf8"));
    waiting.push(...Object.keys(dependencies));
  }
  return seen;
}
