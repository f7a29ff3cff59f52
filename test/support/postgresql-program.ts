import { access, glob, readFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { unpackPackages } from "./cluster/node/debian.ts";

/** The folder of `postgres` and `initdb`, and where its libraries are, if not where the system looks. */
export type PostgresProgram = Readonly<{ bin: string; libraries?: string }>;
export type FoundPostgres = Readonly<{ program: PostgresProgram } | { missing: string }>;

/** PostgreSQL refuses to run as root, and nobody else may look into root's home. */
export const isRoot = process.getuid?.() === 0;

let found: Promise<FoundPostgres> | undefined;

/**
 * A PostgreSQL, looked for once: on the PATH or where Debian installs it; else Debian's packages, unpacked into the cache
 * folder and not installed. Never throws.
 */
export function findPostgres(): Promise<FoundPostgres> {
  found ??= find();
  return found;
}

async function find(): Promise<FoundPostgres> {
  const places = (process.env["PATH"] ?? "").split(delimiter).concat(await folders("/"));
  for (const bin of process.env["WORKTIDE_TEST_POSTGRESQL"] === "unpacked" ? [] : places)
    if ((await exists(join(bin, "postgres"))) && (await exists(join(bin, "initdb")))) return { program: { bin } };
  try {
    const env = isRoot ? { XDG_CACHE_HOME: "/var/cache" } : process.env;
    const root = await unpackPackages({ env, packages: [await packageName()], onProgress: (line) => console.error(line) });
    const [bin] = await folders(root);
    const libraries: string[] = [];
    for await (const folder of glob("usr/lib/*-linux-gnu*", { cwd: root })) libraries.push(join(root, folder));
    return bin ? { program: { bin, libraries: libraries.join(":") } } : { missing: "Debian's packages hold no PostgreSQL" };
  } catch (error) {
    const why = String(error instanceof Error ? error.message : error).split("\n")[0];
    return { missing: `no PostgreSQL: install postgresql, or run where apt-get knows Debian's mirrors (${why})` };
  }
}

/** The package `postgresql` itself is empty, and the name of what it asks for has the version of this Debian's. */
async function packageName(): Promise<string> {
  const version = /^VERSION_ID="?(\d+)/m.exec(await readFile("/etc/os-release", "utf8").catch(() => ""))?.[1];
  return version === "13" ? "postgresql-17" : "postgresql-15";
}

/** The newest version first. */
async function folders(root: string): Promise<readonly string[]> {
  const all: string[] = [];
  for await (const folder of glob("usr/lib/postgresql/*/bin", { cwd: root })) all.push(join(root, folder));
  return all.sort((a, b) => b.localeCompare(a, "en", { numeric: true }));
}

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );
