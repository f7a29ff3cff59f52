import { type ExecFileException, execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { access, mkdir, readFile, rename, rm, symlink } from "node:fs/promises";
import path from "node:path";
import { cacheFolder } from "../../../src/services/python.ts";
import { forgetUnused, markUsed } from "./cache.ts";

/** The folder whose programs bear the names of Kubernetes' own, or why there is none. */
export type FoundCluster = Readonly<{ bin: string } | { missing: string }>;

export type FindCluster = Readonly<{
  env: Readonly<Record<string, string | undefined>>;
  onProgress?: (line: string) => void;
}>;

const sources = path.join(import.meta.dirname, "go");
const controlPlane = ["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"] as const;
/** What a node has beyond it: there only where we built it. */
const node = ["kube-scheduler", "kube-proxy", "kubelet", "coredns"] as const;
/** Cold on two loaded cores it was seen to take between 4 and 15 minutes. */
const BUILD_MS = 45 * 60_000;
const PROGRESS_MS = 30_000;
/** What other checkouts built is kept as long as they are in use. */
const KEPT_MS = 14 * 86_400_000;

/**
 * Finds the programs of a control plane: in `KUBEBUILDER_ASSETS` (envtest's archives lack kube-controller-manager: it must
 * lie beside them); in the user's cache folder; else builds them with Go from the published modules, once. Never throws.
 */
export async function findCluster({ env, onProgress = () => {} }: FindCluster): Promise<FoundCluster> {
  const assets = env["KUBEBUILDER_ASSETS"];
  if (assets) return inAssets(assets);
  const home = path.join(cacheFolder(env), `cluster-${await fingerprint()}`);
  const bin = path.join(home, "bin");
  if (await areExecutable(bin, [...controlPlane, ...node])) {
    await markUsed(home);
    return { bin };
  }
  const go = await goVersion(env);
  if (go === undefined) {
    return {
      missing:
        "no Go to build a Kubernetes control plane with: install Go 1.21 or later, or set KUBEBUILDER_ASSETS to a folder " +
        `with ${controlPlane.join(", ")}`,
    };
  }
  try {
    onProgress(`building the programs of a Kubernetes cluster with ${go} into ${home}: once, 5 to 15 minutes`);
    await build(home, env, onProgress);
    await forgetUnused(cacheFolder(env), /^cluster-/, KEPT_MS);
    return { bin };
  } catch (error) {
    if (await areExecutable(bin, controlPlane)) return { bin }; // another run was quicker
    return { missing: `building the programs of a Kubernetes cluster with Go failed: ${errorText(error)}` };
  }
}

async function inAssets(assets: string): Promise<FoundCluster> {
  if (await areExecutable(assets, controlPlane)) return { bin: path.resolve(assets) };
  return { missing: `KUBEBUILDER_ASSETS=${assets} must hold ${controlPlane.join(", ")}` };
}

/** Changes with what is built, and with nothing else. */
async function fingerprint(): Promise<string> {
  const hash = createHash("sha256");
  for (const file of ["main.go", "dns.go", "go.mod", "go.sum"]) hash.update(await readFile(path.join(sources, file)));
  return hash.digest("hex").slice(0, 16);
}

/** In a folder of its own first, so that an interrupted run leaves no half of it under the final name. */
async function build(home: string, env: FindCluster["env"], onProgress: (line: string) => void): Promise<void> {
  const fresh = `${home}.${process.pid}`;
  const bin = path.join(fresh, "bin");
  try {
    await mkdir(bin, { recursive: true });
    await compile(path.join(fresh, "cluster"), env, onProgress);
    for (const name of [...controlPlane, ...node]) await symlink(path.join("..", "cluster"), path.join(bin, name));
    await rename(fresh, home);
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}

async function compile(out: string, env: FindCluster["env"], onProgress: (line: string) => void): Promise<void> {
  const version = /k8s\.io\/kubernetes (v\S+)/.exec(await readFile(path.join(sources, "go.mod"), "utf8"))?.[1];
  const flags = `-s -w -X k8s.io/component-base/version.gitVersion=${version}`;
  const began = performance.now();
  const seconds = () => Math.round((performance.now() - began) / 1000);
  const ticker = setInterval(
    () => onProgress(`still building the programs of a Kubernetes cluster (${seconds()} s)`),
    PROGRESS_MS,
  );
  try {
    await run("go", ["build", "-trimpath", "-ldflags", flags, "-o", out, "."], env);
    onProgress(`built the programs of a Kubernetes cluster in ${seconds()} s`);
  } finally {
    clearInterval(ticker);
  }
}

/** Rejects with the end of what the program said. */
function run(command: string, args: readonly string[], env: FindCluster["env"]): Promise<void> {
  const child = spawn(command, args, { cwd: sources, env, stdio: ["ignore", "ignore", "pipe"], timeout: BUILD_MS });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said = (said + text).slice(-4000)));
  return new Promise((resolve, reject) => {
    child.once("error", reject).once("close", (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`${signal ?? `exit code ${code}`}: ${said.trim().split("\n").slice(-5).join(" · ")}`));
    });
  });
}

function goVersion(env: FindCluster["env"]): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile("go", ["env", "GOVERSION"], { env }, (error: ExecFileException | null, stdout) =>
      resolve(error ? undefined : stdout.trim()),
    );
  });
}

async function areExecutable(folder: string, names: readonly string[]): Promise<boolean> {
  const checks = names.map((name) => access(path.join(folder, name), constants.X_OK));
  return (await Promise.allSettled(checks)).every(({ status }) => status === "fulfilled");
}

const errorText = (error: unknown): string => (error instanceof Error ? error.message : String(error));
