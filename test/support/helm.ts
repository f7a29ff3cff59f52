import { execFile } from "node:child_process";
import { mkdtemp, rename, rm } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { exists, type Found, toolsFolder } from "./packaging.ts";

const run = promisify(execFile);
const version = "v3.21.4";

/** Helm itself: from the PATH, else built once with Go (some minutes) and kept. */
export async function findHelm(): Promise<Found> {
  const named = await run("helm", ["version", "--short"]).then(
    () => true,
    () => false,
  );
  if (named) return { file: "helm" };
  const folder = await toolsFolder();
  const file = path.join(folder, `helm-${version}`);
  if (await exists(file)) return { file };
  const draft = await mkdtemp(path.join(folder, "helm-"));
  // Built without these it takes every cluster that it does not ask for Kubernetes 1.20.
  const kubernetes = "helm.sh/helm/v3/pkg/chartutil";
  const flags = `-s -w -X ${kubernetes}.k8sVersionMajor=1 -X ${kubernetes}.k8sVersionMinor=36`;
  try {
    const env = { ...process.env, GOBIN: draft };
    const args = ["install", "-trimpath", `-ldflags=${flags}`, `helm.sh/helm/v3/cmd/helm@${version}`];
    await run("go", args, { cwd: draft, env, maxBuffer: 16 << 20 });
    await rename(path.join(draft, "helm"), file);
    return { file };
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return { missing: "no helm, and no Go to build it with" };
    const { message, stderr } = cause as Error & { stderr?: string };
    return { missing: `building helm with Go failed: ${(stderr ?? message).trim().split("\n").at(-1)}` };
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}
