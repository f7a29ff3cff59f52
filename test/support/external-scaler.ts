import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { freePort } from "../../src/services/free-port.ts";
import { freeze } from "./freeze.ts";

export type ScalerOptions = Readonly<{
  contracts?: readonly ("keda" | "worktide")[];
  /** Files. With `clientCa` clients need a certificate of that authority. */
  tls?: Readonly<{ cert: string; key: string; clientCa?: string }>;
  token?: string;
}>;

/** An external scaler that runs for one test, in a process of its own. */
export interface TestScaler extends AsyncDisposable {
  readonly port: number;
  /** 127.0.0.1:port */
  readonly address: string;
  readonly pid: number;
  /** Tells it what happens: `make`, `put`, `take`, `end`, `delay`, `pause`, `value`, `answer` (a status), `calls`. */
  tell(op: string, more?: Readonly<Record<string, unknown>>): Promise<unknown>;
  kill9(): Promise<void>;
  /** Again at the same port, with nothing in its queues. */
  restart(): Promise<void>;
  freeze(on: boolean): void;
}

/** How a scaler is started: a program that prints `{"port": …}` once it listens, and answers lines of JSON. */
export type Program = Readonly<{ command: string; args: readonly string[] }>;

const own: Program = { command: process.execPath, args: [fileURLToPath(new URL("external-scaler-program.ts", import.meta.url))] };

type Running = Readonly<{ child: ChildProcess; ask: (command: object) => Promise<unknown> }>;

export async function startScaler(options: ScalerOptions = {}, program = own): Promise<TestScaler> {
  const port = await freePort();
  const begin = () => launch(program, { ...options, port });
  let { child, ask } = await begin();
  const kill9 = async () => {
    const gone = child.exitCode === null && child.signalCode === null ? once(child, "exit") : undefined;
    child.kill("SIGKILL");
    await gone;
  };
  return {
    port,
    address: `127.0.0.1:${port}`,
    get pid() {
      return child.pid ?? 0;
    },
    tell: (op, more = {}) => ask({ op, ...more }),
    kill9,
    async restart() {
      await kill9();
      ({ child, ask } = await begin());
    },
    freeze: (on) => (on ? freeze(child.pid) : void child.kill("SIGCONT")),
    [Symbol.asyncDispose]: kill9,
  };
}

async function launch({ command, args }: Program, options: object): Promise<Running> {
  const child = spawn(command, [...args, JSON.stringify(options)], { stdio: ["pipe", "pipe", "pipe"] });
  const ready = Promise.withResolvers<void>();
  const asked = new Map<number, (answer: unknown) => void>();
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (said = (said + text).slice(-4000)));
  child.once("close", () => ready.reject(new Error(`the scaler ended: ${said}`)));
  const kill = () => void child.kill("SIGKILL");
  process.once("exit", kill);
  child.once("close", () => process.off("exit", kill));
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on("line", (line) => {
    const { port, id, answer } = JSON.parse(line) as { port?: number; id?: number; answer?: unknown };
    if (port !== undefined) ready.resolve();
    if (id !== undefined) asked.get(id)?.(answer);
  });
  await ready.promise;
  let next = 0;
  const ask = (question: object) => {
    const id = next++;
    const { promise, resolve } = Promise.withResolvers<unknown>();
    asked.set(id, resolve);
    child.stdin?.write(`${JSON.stringify({ id, ...question })}\n`);
    return promise.finally(() => asked.delete(id));
  };
  return { child, ask };
}
