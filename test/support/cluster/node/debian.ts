import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { access, mkdir, readdir, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { cacheFolder } from "../../../../src/services/python.ts";

const run = promisify(execFile);
const DAY_MS = 86_400_000;
const options = { maxBuffer: 64 << 20 };

export type Unpacking = Readonly<{
  env: Readonly<Record<string, string | undefined>>;
  /** Names of the packages; what they depend on comes too. */
  packages: readonly string[];
  /** With everything they depend on, as for an empty machine; else only with what this machine lacks. */
  whole?: boolean;
  /** Of another release of Debian, "sid": what they need is not this machine's, so with `whole` only. */
  suite?: string;
  onProgress?: (line: string) => void;
}>;

/**
 * A folder with packages of this machine's own Debian release unpacked, not installed: nothing of the machine changes.
 * Kept in the user's cache folder, under a name that follows from the packages.
 *
 * @throws Error where there is no apt, or a package cannot be fetched.
 */
export async function unpackPackages({ env, packages, whole = false, suite, onProgress = () => {} }: Unpacking): Promise<string> {
  const home = cacheFolder(env);
  const name = createHash("sha256")
    .update([whole, ...packages, ...(suite === undefined ? [] : [suite])].join(" "))
    .digest("hex")
    .slice(0, 12);
  const unpacked = path.join(home, `debian-${name}`);
  if (await exists(unpacked)) return unpacked;
  onProgress(`fetching Debian packages into ${home}: ${packages.join(", ")}`);
  const fresh = `${unpacked}.${process.pid}`;
  try {
    await fetchPackages(home, fresh, { packages, whole, suite });
    const root = path.join(fresh, "root");
    await mkdir(root);
    for (const folder of ["bin", "sbin", "lib", "lib64"]) {
      await mkdir(path.join(root, "usr", folder), { recursive: true });
      await symlink(path.join("usr", folder), path.join(root, folder));
    }
    const archives = path.join(fresh, "archives");
    for (const file of (await readdir(archives)).filter((each) => each.endsWith(".deb"))) {
      await run("sh", [
        "-c",
        'dpkg-deb --fsys-tarfile "$0" | tar -x --keep-directory-symlink -C "$1"',
        path.join(archives, file),
        root,
      ]);
    }
    await rename(root, unpacked);
    return unpacked;
  } catch (error) {
    if (await exists(unpacked)) return unpacked; // another run was quicker
    throw error;
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}

type Fetching = Readonly<{ packages: readonly string[]; whole: boolean; suite: string | undefined }>;

/** Into `fresh/archives`, with the machine's own sources, and lists of our own that are at most a day old. */
async function fetchPackages(home: string, fresh: string, { packages, whole, suite }: Fetching): Promise<void> {
  const lists = path.join(home, suite === undefined ? "apt-lists" : `apt-lists-${suite}`);
  await mkdir(path.join(lists, "partial"), { recursive: true });
  await mkdir(path.join(fresh, "archives", "partial"), { recursive: true });
  const settings = [
    ...["-o", `Dir::State::lists=${lists}`, "-o", `Dir::Cache=${fresh}`, "-o", "Debug::NoLocking=1"],
    ...["-o", "APT::Sandbox::User=", ...(whole ? ["-o", "Dir::State::status=/dev/null"] : [])],
    ...(suite === undefined ? [] : await sourcesOf(suite, fresh)),
  ];
  const files = await readdir(lists);
  if (files.length < 2 || Date.now() - (await stat(lists)).mtimeMs > DAY_MS)
    await run("apt-get", [...settings, "-q", "update"], options);
  const flags = ["-y", "-q", "--no-install-recommends", "--download-only", ...(whole ? [] : ["--reinstall"])];
  await run("apt-get", [...settings, ...flags, "install", ...packages], options);
}

/** That release at the mirror that this machine's apt knows. */
async function sourcesOf(suite: string, fresh: string): Promise<readonly string[]> {
  const { stdout } = await run("apt-get", ["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]);
  const mirror = stdout.split("\n").find((uri) => /\/debian\/?$/.test(uri));
  if (!mirror) throw new Error("apt knows no mirror of Debian");
  const list = path.join(fresh, "sources.list");
  await writeFile(list, `deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror} ${suite} main\n`);
  return ["-o", `Dir::Etc::sourcelist=${list}`, "-o", "Dir::Etc::sourceparts=-", "-o", "Acquire::Languages=none"];
}

const exists = (file: string) =>
  access(file).then(
    () => true,
    () => false,
  );
