import { type ChildProcess, execFile, spawn } from "node:child_process";
import { glob, mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { freePort } from "../../src/services/free-port.ts";

const run = promisify(execFile);

/** A Pub/Sub emulator: one that runs already, or the program; or why there is none. */
export type FoundEmulator = Readonly<{ host: string } | { jar: string } | { missing: string }>;

let found: Promise<FoundEmulator> | undefined;

/**
 * `PUBSUB_EMULATOR_HOST`; else the jar of the Google Cloud CLI (Debian's package google-cloud-cli-pubsub-emulator, or its
 * component), and a Java to run it. It is in no other registry. Never throws.
 */
export function findEmulator(): Promise<FoundEmulator> {
  found ??= find();
  return found;
}

export async function skipWithoutEmulator(): Promise<string | false> {
  const emulator = await findEmulator();
  return "missing" in emulator ? emulator.missing : false;
}

async function find(): Promise<FoundEmulator> {
  const host = process.env["PUBSUB_EMULATOR_HOST"];
  if (host) return { host };
  const jar = await findJar();
  const way = "install google-cloud-cli-pubsub-emulator and Java 11 or newer, or set PUBSUB_EMULATOR_HOST";
  if (jar === undefined) return { missing: `no Pub/Sub emulator: ${way}` };
  try {
    await run("java", ["-version"]);
    return { jar };
  } catch {
    return { missing: `no java on the PATH, which the Pub/Sub emulator needs: ${way}` };
  }
}

async function findJar(): Promise<string | undefined> {
  const commands = (process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, "gcloud"));
  const real = await Promise.all(commands.map((path) => realpath(path).catch(() => undefined)));
  const roots = real.flatMap((path) => (path === undefined ? [] : [dirname(dirname(path))]));
  for (const root of [...roots, "/usr/lib/google-cloud-sdk"]) {
    for await (const jar of glob(join(root, "platform/pubsub-emulator/lib/cloud-pubsub-emulator-*.jar"))) return jar;
  }
  return undefined;
}

/** An emulator for one test file. */
export interface TestEmulator extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** Its process; absent where it was given. */
  readonly child?: ChildProcess;
}

const running = new Set<ChildProcess>();
// A test run that is interrupted leaves nothing behind.
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Starts one on a free port of the loopback; `await using` ends it. */
export async function startEmulator(): Promise<TestEmulator> {
  const emulator = await findEmulator();
  if ("missing" in emulator) throw new Error(emulator.missing);
  if ("host" in emulator) {
    const [host = "", port] = emulator.host.split(":");
    return { host, port: Number(port), async [Symbol.asyncDispose]() {} };
  }
  const dir = await mkdtemp(join(tmpdir(), "worktide-pubsub-"));
  const port = await freePort();
  const args = ["-Xmx256m", "-jar", emulator.jar, "--host=127.0.0.1", `--port=${port}`];
  const child = spawn("java", args, { cwd: dir, stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  const exited = new Promise<void>((resolve) => child.once("close", () => resolve()).once("error", () => resolve()));
  const stop = async () => {
    child.kill("SIGKILL");
    await exited;
    running.delete(child);
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    await listens(child);
  } catch (cause) {
    await stop();
    throw new Error("starting the Pub/Sub emulator", { cause });
  }
  return { host: "127.0.0.1", port, child, [Symbol.asyncDispose]: stop };
}

async function listens(child: ChildProcess): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let log = "";
  const read = (chunk: Buffer) => {
    log += chunk;
    if (log.includes("Server started")) resolve();
  };
  child.stdout?.on("data", read);
  child.stderr?.on("data", read);
  child.once("close", () => reject(new Error(log.slice(-500))));
  const late = setTimeout(() => reject(new Error(`not up within 120 s: ${log.slice(-500)}`)), 120_000);
  await promise.finally(() => clearTimeout(late));
}
