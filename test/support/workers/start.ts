import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { patienceMs } from "../wait.ts";

/** One real worker process of a test. */
export type StartedWorker = Readonly<{
  id: string;
  pid: number;
  /** Sends a signal to the process (with `group`, to all that it has forked as well: nothing of it survives SIGKILL). */
  signal(name: NodeJS.Signals, group?: boolean): void;
  exited: Promise<unknown>;
  output(): string;
}>;

const folder = fileURLToPath(new URL(".", import.meta.url));
const groups = new Set<number>();
process.once("exit", () => {
  for (const pid of groups) send(-pid, "SIGKILL");
});

type Env = Readonly<Record<string, string>>;

/** `node bullmq-worker.mjs`; without an id the worker has no name. */
export function startBullmqWorker(id: string, env: Env): StartedWorker {
  return start(id, process.execPath, ["bullmq-worker.mjs"], { ...env, ...(id !== "" && { WORKTIDE_WORKER_ID: id }) });
}

/** `celery worker -n ID@test` with these options. */
export function startCeleryWorker(python: string, id: string, env: Env, options: readonly string[] = []): StartedWorker {
  const words = ["-m", "celery", "-A", "tasks", "worker", "-n", `${id}@test`, "--loglevel", "INFO", ...options];
  return start(id, python, words, {
    ...env,
    WORKTIDE_WORKER_ID: id,
    PYTHONDONTWRITEBYTECODE: "1",
    PYTHONUNBUFFERED: "1",
    C_FORCE_ROOT: "1",
  });
}

/**
 * Sends tasks as a real producer does: each `{ ms, count }` with options of apply_async beside them. Not waited for in
 * one go: connections of this process would look silent meanwhile, and be given up.
 */
export async function produceTasks(python: string, env: Env, tasks: readonly Readonly<Record<string, unknown>>[]): Promise<void> {
  const options = { cwd: folder, env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1", ...env } };
  const child = spawn(python, ["produce.py"], { ...options, stdio: ["pipe", "ignore", "pipe"] });
  child.stdin.end(JSON.stringify(tasks));
  const [said, [status]] = await Promise.all([text(child.stderr), once(child, "exit")]);
  if (status !== 0) throw new Error(`sending tasks: ${said}`);
}

function start(id: string, program: string, words: readonly string[], env: Env): StartedWorker {
  const child: ChildProcess = spawn(program, words, {
    cwd: folder,
    env: { ...process.env, ...env },
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const pid = child.pid ?? 0;
  if (pid > 0) groups.add(pid);
  let output = "";
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-20_000);
  };
  child.stdout?.on("data", keep);
  child.stderr?.on("data", keep);
  const exited = once(child, "exit").finally(() => {
    send(-pid, "SIGKILL");
    groups.delete(pid);
  });
  return { id, pid, exited, output: () => output, signal: (name, group = false) => send(group ? -pid : pid, name) };
}

function send(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has gone: what every caller wants to be sure of.
  }
}

/** Ends it as hard as it gets, and waits. */
export async function kill(worker: StartedWorker): Promise<void> {
  worker.signal("SIGKILL", true);
  await worker.exited;
}

/** Waits until `probe` gives something, asking every 25 ms; after the deadline the error tells what was last seen. */
export async function until<T>(
  what: string,
  probe: () => Promise<T | undefined | false>,
  describe: () => unknown = () => "",
  ms = patienceMs,
): Promise<T> {
  const end = performance.now() + ms;
  for (;;) {
    const value = await probe();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > end) throw new Error(`not within ${ms / 1000} s: ${what}; ${JSON.stringify(describe())}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
