import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type FindOptions, findRedis, type RedisProgram } from "./find-redis.ts";
import { freePort } from "./free-port.ts";

export type RedisServerOptions = FindOptions &
  Readonly<{
    /** 0 or absent: a free one. */
    port?: number;
    /** A configuration file, which goes before all arguments. */
    configFile?: string;
    /** More arguments, after ours: they win. */
    args?: readonly string[];
    /** Where it runs and may write; absent: a directory of its own, which goes when it stops. */
    dir?: string;
    /** TLS only: the certificate comes by `args`. */
    tls?: boolean;
    /** Up once it answers questions (default), or already while it loads its data. */
    upWhen?: "ready" | "loading";
    /** Absent: {@link findRedis}. */
    program?: RedisProgram;
  }>;

/** A Redis server that belongs to this process: on the loopback only, and nothing is kept. */
export interface RedisServer extends AsyncDisposable {
  /** Without credential, whatever `args` ask for. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly dir: string;
  /** Resolves when the process has gone, however it went. */
  readonly exited: Promise<void>;
  /** The last lines that it logged. */
  logTail(): string;
  /** Ends it: SIGTERM, and SIGKILL after 5 s. Safe to call again. */
  stop(): Promise<void>;
}

const START_MS = 60_000;
const STOP_MS = 5_000;
const PORT_TRIES = 5;
const LOG_LINES = 50;

/**
 * Starts a Redis server and waits until it is up.
 *
 * @throws Error when none was found, or it did not come up; the message carries the end of its log.
 */
export async function startRedisServer(options: RedisServerOptions): Promise<RedisServer> {
  const program = options.program ?? (await findRedis(options));
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), "worktide-redis-")));
  // A free port may be taken between asking and binding: then another one.
  for (let attempt = 1; ; attempt++) {
    const port = options.port || (await freePort());
    try {
      return await launch(program, port, dir, options);
    } catch (error) {
      const taken = /Address already in use|port is already allocated/.test(String(error));
      if (!options.port && taken && attempt < PORT_TRIES) continue;
      if (!options.dir) await rm(dir, { recursive: true, force: true });
      throw error;
    }
  }
}

async function launch(program: RedisProgram, port: number, dir: string, options: RedisServerOptions): Promise<RedisServer> {
  const [file, ...args] = program.command(port, serverArgs(port, options));
  // Its own process group: Ctrl-C in the terminal is ours to handle, and workers still need their queue meanwhile.
  const child = spawn(file, args, {
    cwd: dir,
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  const log: string[] = [];
  const exited = new Promise<void>((resolve) => child.once("close", () => resolve()).once("error", () => resolve()));
  const server = owned(child, port, dir, exited, log, options);
  try {
    await isUp(child, program, log, options);
  } catch (cause) {
    child.kill("SIGKILL");
    await exited;
    throw new Error(`starting ${program.title}: ${log.slice(-5).join(" · ") || String(cause)}`, { cause });
  }
  return server;
}

function serverArgs(port: number, { configFile, tls = false, args = [] }: RedisServerOptions): string[] {
  const listen = tls ? ["--port", "0", "--tls-port", String(port)] : ["--port", String(port)];
  return [
    ...(configFile === undefined ? [] : [configFile]),
    ...listen,
    "--bind",
    "127.0.0.1",
    "--save",
    "",
    "--appendonly",
    "no",
    "--daemonize",
    "no",
    ...args,
  ];
}

function owned(
  child: ChildProcess,
  port: number,
  dir: string,
  exited: Promise<void>,
  log: readonly string[],
  options: RedisServerOptions,
): RedisServer {
  const stop = async (): Promise<void> => {
    const late = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
    child.kill("SIGTERM");
    child.kill("SIGCONT"); // one that was stopped does not hear the first
    await exited;
    clearTimeout(late);
    if (!options.dir) await rm(dir, { recursive: true, force: true });
  };
  return {
    url: `${options.tls ? "rediss" : "redis"}://127.0.0.1:${port}/0`,
    port,
    pid: child.pid ?? -1,
    dir,
    exited,
    logTail: () => log.join("\n"),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** Follows the log until it says that the server is up; keeps its last lines. */
async function isUp(child: ChildProcess, program: RedisProgram, log: string[], options: RedisServerOptions): Promise<void> {
  const up =
    options.upWhen === "loading" ? /Server initialized|Ready to accept|Sentinel ID is/ : /Ready to accept|Sentinel ID is/;
  const ms = program.source === "container" ? START_MS * 2 : START_MS;
  const limit = AbortSignal.timeout(ms);
  const signal = options.signal ? AbortSignal.any([limit, options.signal]) : limit;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let rest = "";
  const read = (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (up.test(line)) resolve();
      log.push(line);
    }
    log.splice(0, log.length - LOG_LINES);
  };
  child.stdout?.on("data", read);
  child.stderr?.on("data", read);
  child.once("error", reject).once("close", () => reject(new Error("it ended at once")));
  signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  await promise;
}
