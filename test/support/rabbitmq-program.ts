import { execFile } from "node:child_process";
import { access, chmod, glob, mkdir, mkdtemp, open, readdir, rename, rm, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { cacheFolder } from "../../src/services/python.ts";

const run = promisify(execFile);

/** RabbitMQ and the Erlang that runs it. */
export type RabbitProgram = Readonly<{
  /** `rabbitmq-server` itself, not Debian's wrapper, which changes the user. */
  server: string;
  ctl: string;
  epmd: string;
  /** Stands before the PATH: `erl` is found there. */
  path: string;
}>;

/** 3.10 is that of Debian 12, 4.0 that of Debian 13. */
export const rabbitSeries = ["3.10", "4.0"] as const;
export type RabbitSeries = (typeof rabbitSeries)[number];

/** A RabbitMQ that can be run, or why there is none. */
export type FoundRabbit = Readonly<{ program: RabbitProgram } | { missing: string }>;

const suites: Readonly<Record<RabbitSeries, string>> = { "3.10": "bookworm", "4.0": "trixie" };
const erlang = [
  "asn1",
  "base",
  "crypto",
  "eldap",
  "inets",
  "mnesia",
  "os-mon",
  "parsetools",
  "public-key",
  "runtime-tools",
  "ssl",
];
const more = ["erlang-syntax-tools", "erlang-tools", "erlang-xmerl", "rabbitmq-server"];
/** What Erlang links against: with its own loader it runs whatever this machine's C library is. */
const libraries = ["libc6", "libtinfo6", "zlib1g", "libsystemd0", "libstdc++6", "libgcc-s1", "libcap2", "libzstd1", "liblzma5"];
const moreLibraries = ["liblz4-1", "libgcrypt20", "libgpg-error0", "libsctp1"];
const ssl: Readonly<Record<RabbitSeries, string>> = { "3.10": "libssl3", "4.0": "libssl3t64" };

const found = new Map<RabbitSeries, Promise<FoundRabbit>>();

/** Which one tests run that ask for none: `WORKTIDE_TEST_RABBITMQ=4.0 npm test -- test/slow/*rabbitmq*.test.ts`. */
const usual: RabbitSeries = process.env["WORKTIDE_TEST_RABBITMQ"] === "4.0" ? "4.0" : "3.10";

/**
 * A RabbitMQ of this series, looked for once: on the PATH (3.10 stands for whatever version is there); else Debian's
 * packages, unpacked into the user's cache folder and not installed, where apt knows a mirror of Debian. Never throws.
 */
export function findRabbit(series = usual): Promise<FoundRabbit> {
  const known = found.get(series) ?? find(series);
  found.set(series, known);
  return known;
}

async function find(series: RabbitSeries): Promise<FoundRabbit> {
  const installed = series === "3.10" ? await onPath() : undefined;
  if (installed) return { program: installed };
  const folder = join(cacheFolder(process.env), `rabbitmq-${series}`);
  try {
    const unpacked = await programIn(folder);
    if (unpacked) return { program: unpacked };
    console.error(`fetching RabbitMQ ${series} from Debian's packages into ${folder} (once, about 20 s)`);
    await fetchInto(folder, series);
    const program = await programIn(folder);
    return program ? { program } : { missing: `Debian's packages of RabbitMQ ${series} are not of the shape that was expected` };
  } catch (error) {
    const why = String(error instanceof Error ? error.message : error).split("\n")[0];
    return { missing: `no RabbitMQ ${series}: install rabbitmq-server, or run where apt-get knows Debian's mirrors (${why})` };
  }
}

async function onPath(): Promise<RabbitProgram | undefined> {
  const folders = ["/usr/lib/rabbitmq/bin", ...(process.env["PATH"] ?? "").split(delimiter)];
  const which = async (name: string) => {
    for (const folder of folders) if (folder !== "" && (await exists(join(folder, name)))) return join(folder, name);
    return undefined;
  };
  const [server, ctl, epmd] = await Promise.all(["rabbitmq-server", "rabbitmqctl", "epmd"].map(which));
  return server && ctl && epmd ? { server, ctl, epmd, path: "" } : undefined;
}

async function programIn(root: string): Promise<RabbitProgram | undefined> {
  const [server] = await matches(root, "usr/lib/rabbitmq/lib/*/sbin/rabbitmq-server");
  const [ctl] = await matches(root, "usr/lib/rabbitmq/lib/*/sbin/rabbitmqctl");
  const [epmd] = await matches(root, "usr/lib/erlang/erts-*/bin/epmd");
  return server && ctl && epmd ? { server, ctl, epmd, path: join(root, "usr/lib/erlang/bin") } : undefined;
}

async function fetchInto(folder: string, series: RabbitSeries): Promise<void> {
  await mkdir(cacheFolder(process.env), { recursive: true });
  const scratch = await mkdtemp(`${folder}.`);
  try {
    const packages = [...erlang.map((part) => `erlang-${part}`), ...more, ...libraries, ...moreLibraries, ssl[series]];
    await download(scratch, suites[series], packages);
    const root = join(scratch, "root");
    for (const file of await readdir(join(scratch, "debs"))) await run("dpkg-deb", ["-x", join(scratch, "debs", file), root]);
    await makeMovable(root, folder);
    // Two of us may fetch at once: whoever renames second finds it there, which is as good.
    await rename(root, folder).catch(() => {});
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** With lists and settings of its own: nothing of the machine's apt changes, and any suite can be asked. */
async function download(scratch: string, suite: string, packages: readonly string[]): Promise<void> {
  const { stdout } = await run("apt-get", ["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]);
  const mirror = stdout.split("\n").find((uri) => /\/debian\/?$/.test(uri));
  if (!mirror) throw new Error("apt knows no mirror of Debian");
  const debs = join(scratch, "debs");
  for (const name of ["debs", "lists/partial", "cache/archives/partial"]) await mkdir(join(scratch, name), { recursive: true });
  await writeFile(
    join(scratch, "sources.list"),
    `deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror} ${suite} main\n`,
  );
  const settings = [
    `Dir::Etc::sourcelist=${join(scratch, "sources.list")}`,
    "Dir::Etc::sourceparts=-",
    `Dir::State::lists=${join(scratch, "lists")}`,
    `Dir::Cache=${join(scratch, "cache")}`,
    "Dir::State::status=/dev/null",
    "Acquire::Languages=none",
    "APT::Sandbox::User=root",
  ].flatMap((setting) => ["-o", setting]);
  await run("apt-get", [...settings, "update", "-q"], { timeout: 300_000 });
  await run("apt-get", [...settings, "download", "-q", ...packages], { cwd: debs, timeout: 300_000 });
}

/** Lets it run from `folder`, with the loader and the libraries that came with it. */
async function makeMovable(root: string, folder: string): Promise<void> {
  const [loader] = await matches(root, "usr/lib/*/ld-linux-*.so.*", "lib/*/ld-linux-*.so.*");
  if (!loader) throw new Error("the C library has no loader");
  const at = (path: string) => folder + path.slice(root.length);
  const dirs = (await matches(root, "usr/lib/*-linux-gnu*", "lib/*-linux-gnu*")).map(at).join(":");
  const [erts] = await matches(root, "usr/lib/erlang/erts-*");
  const programs = await matches(root, "usr/lib/erlang/erts-*/bin/*", "usr/lib/erlang/bin/*", "usr/lib/erlang/lib/*/priv/bin/*");
  for (const file of programs) {
    if (!(await isElf(file))) continue;
    await rename(file, `${file}.elf`);
    await script(file, `exec ${at(loader)} --library-path ${dirs} --argv0 "$0" ${at(file)}.elf "$@"`);
  }
  const [bin, rootDir] = [join(at(erts ?? root), "bin"), join(folder, "usr/lib/erlang")];
  const setup = `export ROOTDIR=${rootDir} BINDIR=${bin} EMU=beam PROGNAME=erl`;
  await script(join(root, "usr/lib/erlang/bin/erl"), `${setup}\nexec ${bin}/erlexec "$@"`);
}

async function script(file: string, body: string): Promise<void> {
  await rm(file, { force: true });
  await writeFile(file, `#!/bin/sh\n${body}\n`);
  await chmod(file, 0o755);
}

async function isElf(path: string): Promise<boolean> {
  const file = await open(path).catch(() => undefined);
  if (!file) return false;
  try {
    if (!(await file.stat()).isFile()) return false;
    const { buffer } = await file.read(Buffer.alloc(4), 0, 4, 0);
    return buffer.toString("latin1") === "\x7fELF";
  } finally {
    await file.close();
  }
}

async function matches(root: string, ...patterns: readonly string[]): Promise<readonly string[]> {
  const all: string[] = [];
  for (const pattern of patterns) for await (const path of glob(pattern, { cwd: root })) all.push(join(root, path));
  return all.sort();
}

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );
