import { readdirSync, readFileSync } from "node:fs";

/** One worker process, as /proc shows it. */
export type Seen = Readonly<{ pid: number; id: string; pool: string }>;

/**
 * Finds the worker processes of one stage, whoever started them: those whose environment names its journal. Zombies are
 * not alive. It keeps who was looked at, so that looking again is cheap.
 */
export function createWatcher(journal: string): () => readonly Seen[] {
  const mark = `WORKTIDE_TEST_JOURNAL=${journal}`;
  const known = new Map<number, Seen>();
  /** Others, by how often they were looked at: between fork and exec a process still shows its parent's environment. */
  const others = new Map<number, number>();
  return () => {
    const here = new Set(readdirSync("/proc").map(Number).filter(Boolean));
    for (const pid of [...known.keys(), ...others.keys()]) {
      if (here.has(pid)) continue;
      known.delete(pid);
      others.delete(pid);
    }
    for (const pid of here) {
      const looks = others.get(pid) ?? 0;
      if (known.has(pid) || !isDue(looks)) {
        if (!known.has(pid)) others.set(pid, looks + 1);
        continue;
      }
      const env = read(`/proc/${pid}/environ`)?.split("\0") ?? [];
      const value = (name: string) => env.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1);
      const id = value("WORKTIDE_WORKER_ID");
      if (id !== undefined && env.includes(mark)) known.set(pid, { pid, id, pool: value("WORKTIDE_POOL") ?? "" });
      else others.set(pid, looks + 1);
    }
    return [...known.values()].filter(({ pid }) => isAlive(pid));
  };
}

/** At first every time; then every tenth, for as long as a machine that is very busy may take from fork to exec. */
const isDue = (looks: number) => looks <= 3 || (looks % 10 === 0 && looks < 600);

function isAlive(pid: number): boolean {
  const stat = read(`/proc/${pid}/stat`);
  return stat !== undefined && !/\) [ZX] /.test(stat);
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined; // gone in the meantime
  }
}

/** To one of the test's own processes, which may have gone. */
export function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has gone already.
  }
}
