import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/**
 * One process as the system sees it. A pid alone is no identity, the system uses it again; a pid with its start time is.
 * `start` is the start time in clock ticks since boot on Linux (proc_pid_stat(5), field 22), else what `ps -o lstart` prints.
 */
export type ProcessRow = Readonly<{ pid: number; group: number; start: string; dead: boolean }>;

/** A worker that runs and that this pool once started, found by its environment. */
export type FoundWorker = ProcessRow & Readonly<{ id: string; stdout?: string }>;

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
 * With `id` only processes that carry that worker id count: after a time in which nobody looked, the group may be another's.
 */
export function groupLivesWithoutLeader(group: number, id?: string): boolean {
  try {
    process.kill(-group, 0);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  const rows = processes().filter((row) => row.group === group && !row.dead);
  if (rows.length === 0 || rows.some((row) => row.pid === group)) return false;
  return id === undefined || rows.some((row) => environmentOf(row.pid).includes(`${ID_VARIABLE}${id}`));
}

/**
 * Workers of this pool that run, known by their environment: what a state file that was lost, or not yet written, does not
 * tell. Only leaders of a group count: a worker's own children inherit its environment. Linux only; nothing elsewhere.
 */
export function findWorkers(pool: string): readonly FoundWorker[] {
  if (!hasProc) return [];
  return allPids().flatMap((pid) => {
    const variables = environmentOf(pid);
    if (!variables.includes(`WORKTIDE_POOL=${pool}`)) return [];
    const id = variables.find((variable) => variable.startsWith(ID_VARIABLE))?.slice(ID_VARIABLE.length);
    if (id === undefined) return [];
    const row = readProc(String(pid));
    if (row === undefined || row.dead || row.group !== pid) return [];
    const stdout = linkOf(`/proc/${pid}/fd/1`);
    return [{ ...row, id, ...(stdout === undefined ? {} : { stdout }) }];
  });
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
