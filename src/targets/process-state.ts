import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { z } from "zod";

const memberRecord = z.strictObject({
  id: z.string().min(1),
  slot: z.int().min(1),
  /** Absent: about to be started when this was written. */
  pid: z.int().min(2).optional(),
  /** With the pid, the identity of the process: see ProcessRow. */
  start: z.string().min(1).optional(),
  /** Monotonic ms of the boot that is named in the file. */
  startedAt: z.number(),
  /** Its own file: see ProcessLogs. Earlier versions had none where logs are discarded. */
  log: z.string().optional(),
  leaving: z.boolean(),
  /** When the stop signal was sent, monotonic ms. */
  signalledAt: z.number().optional(),
});

const poolState = z.strictObject({
  version: z.literal(1),
  /** Identity of the pool, made with the file. */
  uid: z.string().min(1),
  boot: z.string(),
  wanted: z.int().min(0),
  changedAt: z.number(),
  members: z.array(memberRecord),
});

export type MemberRecord = Readonly<z.infer<typeof memberRecord>>;
/** All that the next worktide needs to take over the workers of this one. */
export type PoolState = Readonly<z.infer<typeof poolState>>;

export type StateFile = Readonly<{
  /** What stands there; undefined when nothing does, or nothing that can be understood: that file is put aside, and it is said. */
  read(): PoolState | undefined;
  /** Replaces it whole or not at all. A full or read-only disk is told once and never throws: memory goes on without it. */
  save(state: PoolState): void;
  remove(): void;
}>;

/** No fsync: after a loss of power no worker lives that the file could tell of. */
export function createStateFile(path: string, warn: (fields: object, message: string) => void): StateFile {
  let failing = false;

  const read = (): PoolState | undefined => {
    let text: string;
    try {
      text = readFileSync(path, "utf8");
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "ENOENT")
        warn({ file: path, error: messageOf(cause) }, "state file cannot be read: started without it");
      return undefined;
    }
    try {
      return poolState.parse(JSON.parse(text));
    } catch (cause) {
      const aside = `${path}.broken`;
      attempt(() => renameSync(path, aside));
      warn({ file: path, keptAs: aside, error: messageOf(cause) }, "state file is broken: put aside, started without it");
      return undefined;
    }
  };

  const save = (state: PoolState): void => {
    const fresh = `${path}.new`;
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      writeFileSync(fresh, `${JSON.stringify(state)}\n`, { mode: 0o600 });
      renameSync(fresh, path);
      failing = false;
    } catch (cause) {
      attempt(() => rmSync(fresh, { force: true }));
      if (!failing) warn({ file: path, error: messageOf(cause) }, "state file cannot be written: going on from memory");
      failing = true;
    }
  };

  return { read, save, remove: () => attempt(() => rmSync(path, { force: true })) };
}

function attempt(action: () => void): void {
  try {
    action();
  } catch {
    // Nothing depends on it: the next save, or the next start, comes to the same end.
  }
}

function messageOf(cause: unknown): string {
  return cause instanceof z.ZodError ? z.prettifyError(cause) : cause instanceof Error ? cause.message : String(cause);
}
