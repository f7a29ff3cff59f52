import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, statSync } from "node:fs";
import type { ProcessTarget } from "../api/resolve-target.ts";
import type { WorkerFile } from "./process-logs.ts";

/** `target.process` with every default applied; `cwd` is absolute. */
export type ProcessSpec = Omit<ProcessTarget, "kind">;

export type Launch = Readonly<{
  spec: ProcessSpec;
  pool: string;
  id: string;
  /** Worktide's own environment. */
  env: Readonly<Record<string, string | undefined>>;
  /** Its own file; closed here. */
  file: WorkerFile | undefined;
}>;

/**
 * Starts one worker in a session and process group of its own, so that a Ctrl-C in the terminal does not reach it.
 * When it cannot be started, `failed` is told why, later in this turn or right after it, and undefined comes back.
 */
export function launch(
  { spec, pool, id, env, file }: Launch,
  failed: (message: string) => void,
): (ChildProcess & { pid: number }) | undefined {
  const names = { WORKTIDE_WORKER_ID: id, WORKTIDE_POOL: pool };
  const [program = "", ...args] = spec.command.map((word) => expand(word, names));
  const own = Object.fromEntries(Object.entries(spec.env).map(([name, value]) => [name, expand(value, names)]));
  const [input, output] = [file?.as === "input" ? file.fd : "ignore", file?.as === "output" ? file.fd : "ignore"] as const;
  try {
    const child = spawn(program, args, {
      cwd: spec.cwd,
      env: { ...env, ...own, ...names },
      stdio: [input, output, output],
      detached: true,
    });
    // Some failures come as an event; a later one (of a signal) has nobody to tell.
    child.on("error", (cause) => child.pid === undefined && failed(explain(spec, program, cause)));
    return hasPid(child) ? child : undefined;
  } catch (cause) {
    failed(explain(spec, program, cause));
    return undefined;
  } finally {
    if (file !== undefined) closeSync(file.fd);
  }
}

/** Only the names given; any other `${X}` is left as it stands. */
export function expand(text: string, names: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\$\{([A-Z_]+)\}/g, (whole, name: string) =>
    Object.hasOwn(names, name) ? (names[name] ?? whole) : whole,
  );
}

function hasPid(child: ChildProcess): child is ChildProcess & { pid: number } {
  return child.pid !== undefined;
}

/** What is wrong and the way out, without the environment: it may hold secrets. */
function explain({ cwd }: ProcessSpec, program: string, cause: unknown): string {
  const { code = "", message } = cause as NodeJS.ErrnoException;
  if (!isFolder(cwd)) return `there is no folder ${cwd}: create it, or correct target.process.cwd`;
  switch (code) {
    case "ENOENT":
      return program.includes("/")
        ? `there is no program "${program}" (seen from ${cwd}), or the interpreter in its first line is missing: correct target.process.command`
        : `there is no program "${program}" on the PATH (working directory ${cwd}): install it, or correct target.process.command`;
    case "EACCES":
      return `"${program}" may not be executed (working directory ${cwd}): make it executable (chmod +x), or put its interpreter first in target.process.command`;
    case "EAGAIN":
    case "ENOMEM":
    case "EMFILE":
    case "ENFILE":
      return `the system has no room for another process (${code}) to run "${program}": raise its limits or its memory, or lower replicas.max`;
    default:
      return `"${program}" cannot be started in ${cwd}: ${message}`;
  }
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
