import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** A worktide in a process of its own: one life of it. */
export interface Life {
  readonly run: number;
  readonly pid: number;
  readonly url: string;
  /** All that it said so far. */
  readonly said: readonly string[];
  /** Resolves when it has gone: exit code or signal. */
  readonly exited: Promise<string>;
  gone(): boolean;
}

const main = fileURLToPath(new URL("../../../src/main.ts", import.meta.url));

export type LifeOptions = Readonly<{
  run: number;
  /** The command and its arguments. */
  args: readonly string[];
  env: Readonly<Record<string, string>>;
  said: (text: string) => void;
  /** Called at once, before it is up. */
  spawned?: (pid: number) => void;
}>;

/** Starts it and waits until its documents are in force; throws with what it said when it ends before that. */
export async function live({ run, args, env, said: tell, spawned }: LifeOptions): Promise<Life> {
  const child = spawn(process.execPath, [main, ...args, "--listen", "127.0.0.1:0", "--log-format", "json"], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  spawned?.(child.pid ?? 0);
  const said: string[] = [];
  let gone = false;
  const exited = ended(child).then((how) => {
    gone = true;
    return how;
  });
  const up = Promise.withResolvers<string>();
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      said.push(line);
      tell(line);
      const url = /"url":"(http[^"]+)"/.exec(line)?.[1];
      if (url !== undefined) up.resolve(url);
    });
  }
  void exited.then((how) => up.reject(new Error(`worktide ended (${how}) before it was ready:\n${said.join("\n")}`)));
  return { run, pid: child.pid ?? 0, url: await up.promise, said, exited, gone: () => gone };
}

async function ended(child: ChildProcess): Promise<string> {
  const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
  return signal ?? `code ${code}`;
}
