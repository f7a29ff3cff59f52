import { execFile } from "node:child_process";
import { existsSync, globSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { homedir, tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { cacheFolder } from "../../src/services/python.ts";

const run = promisify(execFile);

/** The library that gives one process a wall clock of its own, or why there is none here. */
export type FoundFaketime = Readonly<{ library: string } | { missing: string }>;

/** The system's own; else Debian's package, unpacked into the user's cache folder: nothing is installed. */
export async function findFaketime(): Promise<FoundFaketime> {
  if (process.platform !== "linux") return { missing: "needs libfaketime, which is preloaded on Linux only here" };
  const cached = join(cacheFolder({ HOME: homedir(), ...process.env }), "faketime");
  const find = () => globSync(["/usr", join(cached, "usr")].map((root) => `${root}/lib/*/faketime/libfaketime.so.1`))[0];
  const there = find();
  if (there !== undefined) return { library: there };
  if (userInfo().uid !== 0) return { missing: "needs libfaketime: apt-get install libfaketime" };
  const scratch = await mkdtemp(join(tmpdir(), "worktide-faketime-"));
  try {
    const download = () => run("apt-get", ["download", "-q", "libfaketime"], { cwd: scratch });
    await download().catch(async () => {
      await run("apt-get", ["update", "-q"]);
      await download();
    });
    const [archive = ""] = globSync(join(scratch, "*.deb"));
    await run("dpkg-deb", ["-x", archive, join(scratch, "root")]);
    await mkdir(join(cached, ".."), { recursive: true });
    // Whoever renames second finds it there, which is as good.
    await rename(join(scratch, "root"), cached).catch(() => {});
  } catch (error) {
    return { missing: `needs libfaketime, and could not fetch it: ${String(error).split("\n")[0]}` };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  const library = find();
  return library !== undefined && existsSync(library) ? { library } : { missing: "needs libfaketime" };
}
