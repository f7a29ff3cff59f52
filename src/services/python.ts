import { execFile } from "node:child_process";
import { mkdir, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** What real Celery workers are run with. */
const requirement = "celery[redis]==5.7.0";

/** A Python with Celery, or why there is none. */
export type FoundPython = Readonly<{ python: string } | { missing: string }>;

export type FindPython = Readonly<{
  env: Readonly<Record<string, string | undefined>>;
  onProgress?: (text: string) => void;
}>;

/** `WORKTIDE_PYTHON`, then a venv in the user's cache folder, which is made at the first use. Never throws. */
export async function findPython({ env, onProgress = () => {} }: FindPython): Promise<FoundPython> {
  const given = env["WORKTIDE_PYTHON"];
  if (given)
    return (await hasCelery(given)) ? { python: given } : { missing: `WORKTIDE_PYTHON=${given} has no celery and redis` };
  const venv = join(cacheFolder(env), "celery-5.7.0");
  const python = join(venv, "bin", "python");
  if (await hasCelery(python)) return { python };
  try {
    await run("python3", ["--version"]);
  } catch {
    return { missing: "no python3 on the PATH: install Python, or set WORKTIDE_PYTHON to one that has celery[redis]" };
  }
  try {
    onProgress(`installing ${requirement} into ${venv} (once, about 20 s)`);
    await make(venv);
    return { python };
  } catch (error) {
    // Another run may have finished the same venv in the meantime.
    if (await hasCelery(python)) return { python };
    return { missing: `could not install ${requirement}: ${String(error).split("\n")[0]}` };
  }
}

/** Where Worktide keeps what it installed for itself. */
export function cacheFolder(env: FindPython["env"]): string {
  return join(env["XDG_CACHE_HOME"] || join(env["HOME"] || homedir(), ".cache"), "worktide");
}

const hasCelery = (python: string) =>
  run(python, ["-c", "import celery, redis"]).then(
    () => true,
    () => false,
  );

/** In a folder of its own first, so that an interrupted run leaves no half of a venv under the final name. */
async function make(venv: string): Promise<void> {
  const fresh = `${venv}.${process.pid}`;
  try {
    await mkdir(fresh, { recursive: true });
    await run("python3", ["-m", "venv", fresh]);
    await run(join(fresh, "bin", "python"), ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement]);
    await rename(fresh, venv);
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}
