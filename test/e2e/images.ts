import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { globSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { cacheFolder } from "../../src/services/python.ts";
import { forgetUnused, markUsed } from "../support/cluster/cache.ts";
import { pauseImage } from "../support/cluster/node/config.ts";
import { unpackPackages } from "../support/cluster/node/debian.ts";
import { buildahIn } from "./buildah.ts";
import { basePackages, fillBase, fillRuntime, fillWorkers, root, runtimePackages, workerInputs } from "./contexts.ts";

const run = promisify(execFile);
const recipes = path.join(import.meta.dirname, "images");
const baseTag = "localhost/worktide-base:1";
const runtimeTag = "localhost/worktide-runtime:1";
export const workersTag = "localhost/worktide-workers:1";

/** Of archives that no run has used, ms: other runs may be about to import theirs. */
const KEPT_MS = 3 * 3_600_000;
const STORE_MB = 6_000;

/** Archives of the images that the tests run. */
export type Images = Readonly<{ pause: string; workers: string; controller: string }>;

type Workshop = Readonly<{ buildah: Buildah; home: string; store: string; archives: string; onProgress(line: string): void }>;
type Buildah = ReturnType<typeof buildahIn>;

/** An image of `images/`, and what it is made of beside its recipe. */
type Recipe = Readonly<{
  tag: string;
  inputs: readonly string[];
  /** Lays out its context in an empty folder. */
  fill(context: string): Promise<void>;
  /** Others are built on it, and nobody runs it: no archive of it is written. */
  inner?: boolean;
}>;

/**
 * Builds the images with buildah, from Debian's packages and this checkout, without any registry of images. What is built
 * lies in the user's cache folder until what it is made of changes. `controllerTag` is what the manifests call it.
 */
export async function buildImages(tools: string, controllerTag: string, onProgress: (line: string) => void): Promise<Images> {
  const home = cacheFolder(process.env);
  const [store, archives] = [path.join(home, "buildah"), path.join(home, "e2e-images")];
  await boundStore(store);
  await mkdir(archives, { recursive: true });
  const shop = { buildah: buildahIn(tools, store), home, store, archives, onProgress };
  const code = await readFile(path.join(import.meta.dirname, "contexts.ts"), "utf8");
  const base = await make(shop, { tag: baseTag, inputs: [process.version, ...basePackages, code], fill: fillBase, inner: true });
  const runtime = await make(shop, { tag: runtimeTag, inputs: [...runtimePackages, code], fill: fillRuntime, inner: true });
  const pause = await make(shop, { tag: pauseImage, inputs: [base.key], fill: fillPause });
  const workers = await make(shop, {
    tag: workersTag,
    inputs: [base.key, ...(await texts(await workerInputs()))],
    fill: fillWorkers,
  });
  const controller = await makeController(shop, controllerTag, [base.key, runtime.key]);
  return { pause: pause.archive, workers: workers.archive, controller };
}

async function make(shop: Workshop, { tag, inputs, fill, inner = false }: Recipe): Promise<{ key: string; archive: string }> {
  const name = /\/worktide-(\w+):/.exec(tag)?.[1] ?? tag;
  const dockerfile = path.join(recipes, `${name}.Dockerfile`);
  const key = await digest([...inputs, await readFile(dockerfile, "utf8")]);
  const archive = inner ? path.join(shop.store, `${name}-${key}`) : path.join(shop.archives, `${name}-${key}.tar`);
  if (await isKept(archive)) return { key, archive };
  shop.onProgress(`building the image ${tag}`);
  const context = await mkdtemp(path.join(tmpdir(), "worktide-image-"));
  try {
    await fill(context);
    await shop.buildah.build({ tag, dockerfile, context });
    if (inner)
      await writeFile(archive, ""); // a mark in buildah's own folder that it is there
    else await saveAs(shop.buildah, tag, archive);
  } finally {
    await rm(context, { recursive: true, force: true });
  }
  return { key, archive };
}

/** From the project's own Dockerfile; answers its archive. */
async function makeController(shop: Workshop, tag: string, bases: readonly string[]): Promise<string> {
  const key = await digest([...bases, tag, ...(await texts(controllerSources()))]);
  const archive = path.join(shop.archives, `controller-${key}.tar`);
  if (await isKept(archive)) return archive;
  shop.onProgress(`building the image ${tag} from the Dockerfile`);
  const npmrc = path.join(shop.archives, "npmrc");
  await writeFile(npmrc, await npmSettings());
  await shop.buildah.build({
    tag,
    dockerfile: path.join(root, "Dockerfile"),
    context: root,
    args: { NODE_IMAGE: baseTag, BASE_IMAGE: runtimeTag },
    volumes: {
      "/root/.npmrc:ro": npmrc,
      "/npm-cache": (await npm("cache")) || path.join(shop.home, "npm"),
      "/npm-authorities.pem:ro": await authorities(),
    },
  });
  await saveAs(shop.buildah, tag, archive);
  return archive;
}

async function fillPause(context: string): Promise<void> {
  const unpacked = await unpackPackages({ env: process.env, packages: basePackages, whole: true });
  await copyFile(path.join(unpacked, "usr/bin/busybox"), path.join(context, "busybox"));
}

async function saveAs(buildah: Buildah, tag: string, archive: string): Promise<void> {
  const fresh = `${archive}.${process.pid}`;
  await rm(fresh, { force: true });
  await buildah.save(tag, fresh);
  await rename(fresh, archive);
  await forgetUnused(path.dirname(archive), /\.tar$/, KEPT_MS);
}

/** What the Dockerfile copies. */
function controllerSources(): string[] {
  const patterns = ["Dockerfile", "package*.json", ".npmrc", "tsconfig*.json", "scripts/{run.mjs,build.ts}"];
  const folders = ["src", "scalers", "manifests", "docs/reference"].map((folder) => `${folder}/**/*.*`);
  return globSync([...patterns, ...folders], { cwd: root })
    .sort()
    .map((file) => path.join(root, file));
}

const texts = (files: readonly string[]) => Promise.all(files.map((file) => readFile(file, "utf8")));

async function digest(parts: readonly string[]): Promise<string> {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(`${part.length}\n${part}`);
  return hash.digest("hex").slice(0, 12);
}

/** npm inside a build goes where npm goes on this machine, and finds there what it has fetched already. */
async function npmSettings(): Promise<string> {
  return `registry=${await npm("registry")}\ncache=/npm-cache\ncafile=/npm-authorities.pem\nprefer-offline=true\nupdate-notifier=false\n`;
}

const npm = async (setting: string) => {
  const { stdout } = await run("npm", ["config", "get", setting, "--loglevel=silent"], { cwd: root });
  return stdout.trim().replace(/^(null|undefined)$/, "");
};

/** The authorities that this machine trusts: a company's own may be among them. */
async function authorities(): Promise<string> {
  return (await npm("cafile")) || process.env["NODE_EXTRA_CA_CERTS"] || "/etc/ssl/certs/ca-certificates.crt";
}

const isKept = (file: string) =>
  markUsed(file).then(
    () => true,
    () => false,
  );

/** Every build leaves layers behind: past some size all of them go, and the next builds take as long as the first. */
async function boundStore(store: string): Promise<void> {
  const { stdout } = await run("sh", ["-c", 'mkdir -p "$0" && du -sm "$0"', store]);
  if (Number.parseInt(stdout, 10) <= STORE_MB) return;
  // What somebody who was killed left mounted cannot be removed: the innermost first.
  const unmount = `awk -v store="$0/" 'index($2, store) == 1 { print $2 }' /proc/self/mounts | sort -r | xargs -r umount`;
  await run("sh", ["-c", unmount, store]);
  await rm(store, { recursive: true, force: true });
}
