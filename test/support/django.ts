import { execFile } from "node:child_process";
import { mkdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { cacheFolder } from "../../src/services/python.ts";
import { findPython } from "./python.ts";

const run = promisify(execFile);
const requirement = "Django>=5.2,<6";

/** What a shell needs to run `python3` with Celery and Django; or why it cannot. */
export type FoundDjango = Readonly<{ env: Readonly<{ PATH: string; PYTHONPATH: string }>; python: string } | { missing: string }>;

/** Django beside the Python that has Celery, in a folder of its own, installed once. Never throws. */
export async function findDjango(): Promise<FoundDjango> {
  const found = await findPython();
  if ("missing" in found) return found;
  const { python } = found;
  const folder = join(cacheFolder(process.env), "django-5.2");
  const env = { PATH: `${dirname(python)}:${process.env["PATH"] ?? ""}`, PYTHONPATH: folder };
  const works = () =>
    run(python, ["-c", "import django"], { env: { ...process.env, ...env } }).then(
      () => true,
      () => false,
    );
  if (await works()) return { python, env };
  const fresh = `${folder}.${process.pid}`;
  try {
    console.error(`installing ${requirement} into ${folder} (once, about 10 s)`);
    await mkdir(dirname(folder), { recursive: true });
    await run(python, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", fresh, requirement]);
    await rename(fresh, folder).catch(() => {}); // another run may have been first
    return (await works()) ? { python, env } : { missing: `${requirement} does not run` };
  } catch (error) {
    return { missing: `could not install ${requirement}: ${String(error).split("\n")[0]}` };
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}
