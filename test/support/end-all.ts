import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

const spared = new Set<number>();

/** {@link endAll} lets this child live on: it ends by itself when this process has gone, and still has to clean up then. */
export const spare = (pid: number | undefined): void => void spared.add(pid ?? 0);

/** Kills all that descends from this process, by /proc; all stop first, or one of them might begin another one meanwhile. */
export function endAll(): void {
  let known = -1;
  for (let all = descendants(); all.length > known; all = descendants()) {
    known = all.length;
    for (const pid of all) signal(pid, "SIGSTOP");
  }
  for (const pid of descendants()) signal(pid, "SIGKILL");
}

const patienceMs = 10_000;

/** Asks the children of this process to end, for they may have to clean up, and ends what is left of them then. */
export async function endChildren(): Promise<void> {
  const asked = family().get(process.pid) ?? [];
  for (const pid of asked) signal(pid, "SIGTERM");
  const isThere = (pid: number) => family().get(process.pid)?.includes(pid);
  for (const until = performance.now() + patienceMs; asked.some(isThere) && performance.now() < until; ) await pause(20);
  endAll();
}

function descendants(): readonly number[] {
  const children = family();
  const below = (pid: number): readonly number[] => (children.get(pid) ?? []).flatMap((child) => [child, ...below(child)]);
  return below(process.pid);
}

/** All processes but those that are spared, by their parents. */
function family(): ReadonlyMap<number, readonly number[]> {
  const children = new Map<number, number[]>();
  for (const pid of processes()) {
    const parent = spared.has(pid) ? undefined : parentOf(pid);
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), pid]);
  }
  return children;
}

function processes(): readonly number[] {
  try {
    return readdirSync("/proc").map(Number).filter(Number.isInteger);
  } catch {
    return []; // no Linux
  }
}

function parentOf(pid: number): number | undefined {
  try {
    // "7 (a name) S 1 …", and the name may hold anything.
    return Number(/^.*\) \S (\d+) /s.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1]);
  } catch {
    return undefined; // it has gone
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has gone: what is wanted.
  }
}
