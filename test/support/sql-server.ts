import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { freeze } from "./freeze.ts";
import { patienceMs, waitFor } from "./wait.ts";

/** A database server for one test file: on a free port of the loopback, with a folder of its own. */
export interface TestDatabase extends AsyncDisposable {
  readonly port: number;
  /** Of the user `worktide` (who may do everything) and the database `shop`; without the password, which is {@link password}. */
  readonly url: string;
  readonly password: string;
  /** Runs statements as that user, on a connection of its own. */
  sql(...texts: readonly string[]): Promise<readonly Readonly<Record<string, unknown>>[]>;
  stop(): Promise<void>;
  kill9(): Promise<void>;
  /** Starts it again at the same port, with its data. */
  restart(args?: readonly string[]): Promise<void>;
  /** PostgreSQL only: starts it again as a standby that waits for a primary for ever, or no longer as one. */
  beStandby?(on: boolean): Promise<void>;
  /** Freezes it: the kernel still acknowledges, nothing answers. */
  stopProcess(): void;
  contProcess(): void;
  logTail(): string;
}

export type Started = Readonly<{
  pid: number;
  exited: Promise<unknown>;
  /** It and its children, now. */
  signal(name: NodeJS.Signals): void;
  log: readonly string[];
}>;

const running = new Set<Started>();
// A test run that is interrupted leaves nothing behind.
process.once("exit", () => {
  for (const server of running) server.signal("SIGKILL");
});

export type StartOptions = Readonly<{ file: string; args: readonly string[]; env?: NodeJS.ProcessEnv; uid?: number; up: RegExp }>;

/** Starts a server and waits for the line of its log that says it is up. */
export async function startServer({ file, args, env, uid, up }: StartOptions): Promise<Started> {
  const child = spawn(file, args, {
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
    ...(env && { env }),
    ...(uid !== undefined && { uid, gid: uid }),
  });
  const exited = once(child, "close").catch(() => {});
  const log: string[] = [];
  const server: Started = { pid: child.pid ?? 0, exited, log, signal: (name) => signalAll(child, name) };
  running.add(server);
  void exited.then(() => running.delete(server));
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input }).on("line", (line) => {
      log.push(line);
      log.splice(0, log.length - 200);
      if (up.test(line)) resolve();
    });
  }
  void exited.then(() => reject(new Error("it ended at once")));
  const late = setTimeout(() => reject(new Error(`it was not up within ${patienceMs} ms`)), patienceMs);
  try {
    await promise;
  } catch (cause) {
    server.signal("SIGKILL");
    throw new Error(`starting ${file}: ${log.slice(-10).join(" · ")}`, { cause });
  } finally {
    clearTimeout(late);
  }
  return server;
}

/** Also its children, each of which is a process group of its own. */
function signalAll(child: ChildProcess, name: NodeJS.Signals): void {
  const children = childrenOf(child.pid ?? 0);
  for (const pid of [child.pid ?? 0, ...children]) signalOne(pid, name);
}

export function signalOne(pid: number, name: NodeJS.Signals): void {
  if (pid === 0) return;
  try {
    if (name === "SIGSTOP") freeze(pid);
    else process.kill(pid, name);
  } catch {
    // It has gone: what every caller wants to be sure of.
  }
}

export function childrenOf(pid: number): readonly number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** Kills it; resolves once its children have gone too: while one is there, the next start is refused. */
export async function killServer(server: Started): Promise<void> {
  const children = childrenOf(server.pid);
  server.signal("SIGKILL");
  await server.exited;
  await waitFor("its children to go", () => children.every((pid) => !isAlive(pid)));
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
