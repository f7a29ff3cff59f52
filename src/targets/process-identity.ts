import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync, realpathSync } from "node:fs";
import { join } from "node:path";

/**
 * One process as the system sees it. A pid alone is no identity, the system uses it again; a pid with its start time is.
 * `start` is the start time in clock ticks since boot on Linux (proc_pid_stat(5), field 22), else what `ps -o lstart` prints.
 */
export type ProcessRow = Readonly<{ pid: number; group: number; start: string; dead: boolean }>;

/** A worker that runs and that this pool once started, found by its environment or by its file. `files`: its stdin and stdout. */
export type FoundWorker = ProcessRow & Readonly<{ id: string; files: readonly (string | undefined)[] }>;

const ID_VARIABLE = "WORKTIDE_WORKER_ID=";
const hasProc = process.platform === "linux" && readProc("self") !== undefined;

/** Tells boots apart: monotonic times and start times of another boot mean nothing. Empty where the system does not say. */
export function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return "";
  }
}

/** Those of `pids` that exist; all processes when left out. Zombies are in it, as `dead`. */
export function processes(pids?: readonly number[]): readonly ProcessRow[] {
  if (pids?.length === 0) return [];
  if (!hasProc) return readPs(pids);
  return (pids ?? allPids()).flatMap((pid) => readProc(String(pid)) ?? []);
}

/** The process with this pid, when it lives and is the one that began at `start`. */
export function isSame(pid: number, start: string): boolean {
  const row = processes([pid])[0];
  return row !== undefined && !row.dead && row.start === start;
}

/**
 * Does any process of the group live on, its leader apart? To be asked only after the leader is gone. The system keeps a group's
 * number from being used again while the group has members, so a process that has it as its pid now is a stranger.
 * With `worker` only its own processes count: after a time in which nobody looked, the group may be another's.
 */
export function groupLivesWithoutLeader(group: number, worker?: Readonly<{ id: string; log?: string | undefined }>): boolean {
  try {
    process.kill(-group, 0);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  const rows = processes().filter((row) => row.group === group && !row.dead);
  if (rows.length === 0 || rows.some((row) => row.pid === group)) return false;
  return worker === undefined || rows.some(({ pid }) => belongsTo(pid, worker));
}

function belongsTo(pid: number, { id, log }: Readonly<{ id: string; log?: string | undefined }>): boolean {
  const variables = environmentOf(pid);
  if (variables.includes(`${ID_VARIABLE}${id}`)) return true;
  const file = log === undefined ? undefined : realPath(log);
  return file !== undefined && isOverwritten(variables) && [outputOf(pid), linkOf(`/proc/${pid}/fd/0`)].includes(file);
}

/**
 * Workers of this pool that run: what a state file that was lost, or not yet written, does not tell. They are known by their
 * environment; where that is overwritten with a title (setproctitle, as in Airflow's workers), by the file in `logs`
 * (a real path) that nobody but the worker of that name was ever given. Only leaders of a group count: a worker's own children
 * inherit both. Linux only; nothing elsewhere.
 */
export function findWorkers(pool: string, logs?: string): readonly FoundWorker[] {
  if (!hasProc) return [];
  return allPids().flatMap((pid) => {
    const variables = environmentOf(pid);
    const id = idIn(variables, pool) ?? (logs !== undefined && isOverwritten(variables) ? idOfFile(pid, logs, pool) : undefined);
    if (id === undefined) return [];
    const row = readProc(String(pid));
    if (row === undefined || row.dead || row.group !== pid) return [];
    return [{ ...row, id, files: [0, 1].map((fd) => linkOf(`/proc/${pid}/fd/${fd}`)) }];
  });
}

function idIn(variables: readonly string[], pool: string): string | undefined {
  if (!variables.includes(`WORKTIDE_POOL=${pool}`)) return undefined;
  return variables.find((variable) => variable.startsWith(ID_VARIABLE))?.slice(ID_VARIABLE.length);
}

/** Whoever still has an environment, and is not named in it, is a stranger. The end of a long title may stand before the first 0. */
const isOverwritten = (variables: readonly string[]) => variables.slice(1).every((variable) => variable === "");

/** A worker has its file for all that it says, or for all that it reads, and nothing else: a stranger who only writes there is none. */
function idOfFile(pid: number, logs: string, pool: string): string | undefined {
  const [input, output] = [linkOf(`/proc/${pid}/fd/0`), outputOf(pid)];
  const file = input === nothing ? output : output === nothing ? input : undefined;
  if (!file?.startsWith(join(logs, `${pool}-`))) return undefined;
  const id = file.slice(join(logs, "/").length).replace(/\.log$/, "");
  return file === join(logs, `${id}.log`) && /^-\d+-[0-9a-f]{4}$/.test(id.slice(pool.length)) ? id : undefined;
}

const nothing = "/dev/null";

/** The file that both its stdout and its stderr go to. */
function outputOf(pid: number): string | undefined {
  const stdout = linkOf(`/proc/${pid}/fd/1`);
  return stdout === linkOf(`/proc/${pid}/fd/2`) ? stdout : undefined;
}

/** Without links; undefined where there is nothing. */
export function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

function allPids(): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function environmentOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
  } catch {
    return []; // gone meanwhile, or of another user: not ours
  }
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

/** proc_pid_stat(5): `pid (comm) state ppid pgrp session … starttime`; comm may hold spaces and parentheses. */
function readProc(pid: string): ProcessRow | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const [state, group, start] = [fields[0], fields[2], fields[19]];
    if (state === undefined || group === undefined || start === undefined) return undefined;
    return { pid: Number.parseInt(text, 10), group: Number(group), start, dead: state === "Z" || state === "X" };
  } catch {
    return undefined;
  }
}

function readPs(pids?: readonly number[]): readonly ProcessRow[] {
  const which = pids === undefined ? ["-A"] : ["-p", pids.join(",")];
  return runPs(["-o", "pid=,pgid=,stat=,lstart=", ...which])
    .split("\n")
    .flatMap((line) => {
      const match = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.+?)\s*$/.exec(line);
      if (match === null) return [];
      return [
        { pid: Number(match[1]), group: Number(match[2]), dead: match[3]?.startsWith("Z") === true, start: match[4] ?? "" },
      ];
    });
}

function runPs(args: readonly string[]): string {
  try {
    return execFileSync("ps", args, {
      encoding: "utf8",
      env: { PATH: "/bin:/usr/bin", LC_ALL: "C" },
      stdio: ["ignore", "pipe", "ignore"],
    });
  } catch (cause) {
    // ps ends with 1 when one of the pids does not exist; what it printed of the others counts.
    return String((cause as { stdout?: unknown }).stdout ?? "");
  }
}
