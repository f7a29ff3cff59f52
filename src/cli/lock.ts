import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isSame, processes } from "../targets/process-identity.ts";
import { UsageError } from "./usage-error.ts";

/** The state directory is ours; {@link publish} says where the running one answers, for `status` and `explain`. */
export interface StateLock extends Disposable {
  publish(address: string): void;
}

type Holder = Readonly<{ pid: number; start: string; address?: string }>;

const fileOf = (stateDir: string) => join(stateDir, "running.json");

/**
 * Takes the state directory for this process. Two controllers on the same workers would fight.
 * Throws UsageError when another living process holds it; what a killed one left behind is taken over.
 */
export function lockState(stateDir: string, pid: number): StateLock {
  try {
    mkdirSync(stateDir, { recursive: true });
  } catch (cause) {
    throw new UsageError(`cannot make the state directory '${stateDir}': ${(cause as Error).message}`, 1, { cause });
  }
  const start = processes([pid])[0]?.start ?? "";
  const write = (holder: Holder, flag: "w" | "wx") => writeFileSync(fileOf(stateDir), `${JSON.stringify(holder)}\n`, { flag });
  try {
    write({ pid, start }, "wx");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST") {
      throw new UsageError(`cannot write to the state directory '${stateDir}': ${(cause as Error).message}`, 1, { cause });
    }
    const holder = readHolder(stateDir);
    if (holder !== undefined && isSame(holder.pid, holder.start)) {
      throw new UsageError(
        `another worktide (pid ${holder.pid}) already runs with the state directory '${stateDir}'; stop it, or give this one its own with --state`,
      );
    }
    write({ pid, start }, "w");
  }
  return {
    publish: (address) => write({ pid, start, address }, "w"),
    [Symbol.dispose]: () => rmSync(fileOf(stateDir), { force: true }),
  };
}

/** Where the one that runs with this state directory answers; undefined when none runs. */
export function runningAddress(stateDir: string): string | undefined {
  const holder = readHolder(stateDir);
  return holder !== undefined && isSame(holder.pid, holder.start) ? holder.address : undefined;
}

function readHolder(stateDir: string): Holder | undefined {
  try {
    return JSON.parse(readFileSync(fileOf(stateDir), "utf8")) as Holder;
  } catch {
    return undefined; // missing, or cut short by a crash: nobody holds it
  }
}
