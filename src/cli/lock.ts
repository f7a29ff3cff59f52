import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import { isSame, processes } from "../targets/process-identity.ts";
import { UsageError } from "./usage-error.ts";
import type { World } from "./world.ts";

/** The state directory is ours; {@link publish} says where the running one answers, for `status` and `explain`. */
export interface StateLock extends Disposable {
  publish(address: string): void;
}

const holderShape = z.object({ pid: z.int().min(1), start: z.string(), address: z.string().exactOptional() });
type Holder = Readonly<z.infer<typeof holderShape>>;

const fileOf = (stateDir: string) => join(stateDir, "running.json");

/**
 * Takes the state directory for this process. Two controllers on the same workers would fight.
 * Throws UsageError when another living process holds it; what a killed one left behind is taken over.
 */
export function lockState(stateDir: string, { pid, uid }: Pick<World, "pid" | "uid">): StateLock {
  makeFolder(stateDir, stateDir);
  // Whoever made it says by it which processes are workers, and get signals.
  if (uid !== undefined && statSync(stateDir).uid !== uid) {
    throw new UsageError(`the state directory '${stateDir}' belongs to another user: give this one its own with --state`);
  }
  const start = processes([pid])[0]?.start ?? "";
  const file = fileOf(stateDir);
  const text = (holder: Holder) => `${JSON.stringify(holder)}\n`;
  // As a whole or not at all, and in place of what is there: a link is not followed.
  const replace = (holder: Holder) => {
    const fresh = `${file}.${pid}`;
    rmSync(fresh, { force: true });
    writeFileSync(fresh, text(holder), { flag: "wx" });
    renameSync(fresh, file);
  };
  try {
    writeFileSync(file, text({ pid, start }), { flag: "wx" });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw unusable("write to", stateDir, cause);
    const holder = readHolder(stateDir);
    if (holder !== undefined && isSame(holder.pid, holder.start)) {
      throw new UsageError(
        `another worktide (pid ${holder.pid}) already runs with the state directory '${stateDir}'; stop it, or give this one its own with --state`,
      );
    }
    try {
      replace({ pid, start });
    } catch (error) {
      throw unusable("write to", stateDir, error);
    }
  }
  return {
    publish: (address) => replace({ pid, start, address }),
    [Symbol.dispose]: () => rmSync(file, { force: true }),
  };
}

function unusable(doing: string, stateDir: string, cause: unknown): UsageError {
  return new UsageError(`cannot ${doing} the state directory '${stateDir}': ${(cause as Error).message}`, 1, { cause });
}

/**
 * With those above it, one by one: by `recursive` Node says ENOENT of a file system that is read-only, and tries for ever in
 * one that the kernel makes up.
 */
function makeFolder(folder: string, stateDir: string): void {
  if (existsSync(folder)) return;
  makeFolder(dirname(folder), stateDir);
  try {
    mkdirSync(folder);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "EEXIST") return; // another one was quicker
    if (code !== "ENOENT") throw unusable("make", stateDir, cause);
    const message = `cannot make the state directory '${stateDir}': '${dirname(folder)}' takes no new folder; give another one with --state`;
    throw new UsageError(message, 1, { cause });
  }
}

/** Where the one that runs with this state directory answers; undefined when none runs. */
export function runningAddress(stateDir: string): string | undefined {
  const holder = readHolder(stateDir);
  return holder !== undefined && isSame(holder.pid, holder.start) ? holder.address : undefined;
}

function readHolder(stateDir: string): Holder | undefined {
  try {
    return holderShape.safeParse(JSON.parse(readFileSync(fileOf(stateDir), "utf8"))).data;
  } catch {
    return undefined; // missing, or cut short by a crash: nobody holds it
  }
}
