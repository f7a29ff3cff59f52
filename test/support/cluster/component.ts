import { type ChildProcess, spawn } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { spare } from "../end-all.ts";
import { freeze } from "../freeze.ts";

/** One program of a control plane: what tests do to it. */
export interface Component {
  readonly name: string;
  readonly pid: number;
  /** Whether its process runs. */
  readonly alive: boolean;
  /** Dies at once, without a word to its clients. */
  kill9(): Promise<void>;
  /** Freezes it: the kernel still acknowledges, nothing answers. */
  stopProcess(): void;
  contProcess(): void;
  /** Begins a new process with the same port and data (the old one is killed where it runs), and waits until it is ready. */
  restart(): Promise<void>;
  logTail(): string;
}

export type Program = Readonly<{
  name: string;
  /** The executable, then its arguments. */
  command: readonly [string, ...string[]];
  /** Where it runs; its process id is written there, for the watchdog. */
  dir: string;
  /** Absent: this process's own. */
  env?: NodeJS.ProcessEnv;
  /** Resolves when it serves; rejects, or is aborted when the process ends before. */
  ready(signal: AbortSignal): Promise<void>;
}>;

const LOG_LINES = 60;

/**
 * Ends what `dir/*.pid` names, runs `dir/cleanup.sh` where there is one, and removes `dir`, as soon as this process has gone, however it went: a shell that waits for
 * the end of its standard input outlives even SIGKILL of its parent.
 */
export function watchdog(dir: string): { dismiss(): Promise<void> } {
  const script =
    'cat >/dev/null; for f in "$0"/*.pid; do [ -f "$f" ] && kill -9 "$(cat "$f")"; done 2>/dev/null; ' +
    '[ ! -f "$0/cleanup.sh" ] || sh "$0/cleanup.sh"; rm -rf "$0"';
  const child = spawn("/bin/sh", ["-c", script, dir], { stdio: ["pipe", "ignore", "ignore"], detached: true });
  spare(child.pid);
  const gone = new Promise<void>((resolve) => child.once("close", () => resolve()));
  child.unref();
  (child.stdin as unknown as { unref(): void }).unref();
  return {
    dismiss: () => {
      child.ref();
      child.stdin.end();
      return gone;
    },
  };
}

/**
 * Starts a program and waits until it is ready.
 *
 * @throws Error with the end of its log when it ends before.
 */
export async function startComponent(program: Program): Promise<Component> {
  const log: string[] = [];
  let child = await launch(program, log);
  const kill9 = async () => {
    const gone = exited(child);
    child.ref();
    child.kill("SIGKILL");
    await gone;
  };
  return {
    name: program.name,
    get pid() {
      return child.pid ?? -1;
    },
    get alive() {
      return isAlive(child);
    },
    kill9,
    stopProcess: () => freeze(child.pid),
    contProcess: () => void child.kill("SIGCONT"),
    restart: async () => {
      await kill9();
      child = await launch(program, log);
    },
    logTail: () => log.join("\n"),
  };
}

async function launch(program: Program, log: string[]): Promise<ChildProcess> {
  const [file, ...args] = program.command;
  // A session of its own: Ctrl-C in the terminal is for the tests, which then end their clusters.
  const child = spawn(file, args, { cwd: program.dir, env: program.env, stdio: ["ignore", "pipe", "pipe"], detached: true });
  const pidFile = path.join(program.dir, `${program.name}.pid`);
  const ended = new AbortController();
  child.once("error", (error) => {
    log.push(String(error));
    ended.abort(error);
  });
  child.once("exit", () => {
    ended.abort(new Error("it ended"));
    rmSync(pidFile, { force: true });
  });
  if (child.pid !== undefined) writeFileSync(pidFile, String(child.pid));
  for (const stream of [child.stdout, child.stderr]) follow(stream, log);
  try {
    await program.ready(ended.signal);
  } catch (cause) {
    child.kill("SIGKILL");
    throw new Error(`starting ${program.name}: ${log.slice(-8).join(" · ") || String(cause)}`, { cause });
  }
  child.unref();
  for (const stream of [child.stdout, child.stderr]) (stream as unknown as { unref(): void }).unref();
  return child;
}

/** Keeps the last lines. */
function follow(stream: NodeJS.ReadableStream, log: string[]): void {
  let rest = "";
  stream.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    log.push(...lines);
    log.splice(0, log.length - LOG_LINES);
  });
}

const isAlive = (child: ChildProcess) => child.pid !== undefined && child.exitCode === null && child.signalCode === null;

function exited(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => (isAlive(child) ? child.once("exit", () => resolve()) : resolve()));
}
