import { execFile, spawn } from "node:child_process";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { freePort } from "../../src/services/free-port.ts";
import { exists, toolsFolder } from "./packaging.ts";
import { waitFor } from "./wait.ts";

const run = promisify(execFile);

/** A folder with `prometheus` and `promtool`, or why there is none. */
export type FoundPrometheus = Readonly<{ bin: string } | { missing: string }>;

let found: Promise<FoundPrometheus> | undefined;

/** On the PATH; else Debian's package, unpacked into the cache and not installed: it would start a service. */
export function findPrometheus(): Promise<FoundPrometheus> {
  found ??= find();
  return found;
}

async function find(): Promise<FoundPrometheus> {
  for (const bin of (process.env["PATH"] ?? "").split(path.delimiter)) if (bin !== "" && (await isHere(bin))) return { bin };
  const home = path.join(await toolsFolder(), "prometheus");
  const bin = path.join(home, "usr", "bin");
  if (await isHere(bin)) return { bin };
  const draft = `${home}.${process.pid}`;
  try {
    await mkdir(draft, { recursive: true });
    await download(draft);
    const file = (await readdir(draft)).find((name) => name.endsWith(".deb"));
    if (file === undefined) throw new Error("apt-get downloaded nothing");
    await run("dpkg-deb", ["-x", file, "."], { cwd: draft });
    await rename(draft, home).catch(() => {}); // another test was quicker
    return { bin };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
    return { missing: `no Prometheus: install the package prometheus (${why})` };
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

async function download(cwd: string): Promise<void> {
  const get = () => run("apt-get", ["download", "-q", "prometheus"], { cwd });
  await get().catch(async () => {
    await run("apt-get", ["update", "-q"], { cwd });
    await get();
  });
}

const isHere = async (bin: string) => (await exists(path.join(bin, "prometheus"))) && (await exists(path.join(bin, "promtool")));

/** Runs promtool; resolves with what it said on both streams, and whether it was content. */
export async function promtool(args: readonly string[]): Promise<Readonly<{ ok: boolean; text: string }>> {
  const program = await findPrometheus();
  if ("missing" in program) throw new Error(program.missing);
  const ended = await run(path.join(program.bin, "promtool"), [...args]).then(
    (both) => ({ ok: true, ...both }),
    (error: { stdout: string; stderr: string }) => ({ ok: false, ...error }),
  );
  return { ok: ended.ok, text: `${ended.stdout}${ended.stderr}` };
}

export type Sample = Readonly<{ metric: Readonly<Record<string, string>>; value: readonly [number, string] }>;

/** A Prometheus that runs for one test. */
export interface Prometheus extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** An instant query. Rejects where it is wrong. */
  query(expr: string): Promise<readonly Sample[]>;
  kill9(): Promise<void>;
  /** Again at the same port, after it has ended; with what it has on disk, or without. */
  restart(change?: Readonly<{ wipe?: boolean }>): Promise<void>;
  freeze(on: boolean): void;
}

export type PrometheusOptions = Readonly<{
  /** More arguments: `--web.config.file=…`. */
  flags?: readonly string[];
  /** Of the test's own questions. */
  headers?: Readonly<Record<string, string>>;
}>;

/** Starts a Prometheus on the loopback with this configuration; its data go into `dir`. */
export async function startPrometheus(dir: string, configFile: string, options: PrometheusOptions = {}): Promise<Prometheus> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const { flags = [], headers = {} } = options;
  const all = [
    `--config.file=${configFile}`,
    `--storage.tsdb.path=${dir}/data`,
    `--web.listen-address=127.0.0.1:${port}`,
    ...flags,
  ];
  const ready = () =>
    fetch(`${url}/-/ready`, { headers }).then(
      ({ ok }) => ok,
      () => false,
    );
  let running = await launch(dir, all, ready);
  return {
    url,
    port,
    query: async (expr) => {
      const response = await fetch(`${url}/api/v1/query`, {
        method: "POST",
        headers,
        body: new URLSearchParams({ query: expr }),
      });
      const answer = (await response.json()) as { data?: { result: readonly Sample[] }; error?: string };
      if (answer.data === undefined) throw new Error(`${expr}: ${answer.error}`);
      return answer.data.result;
    },
    kill9: () => running.end("SIGKILL"),
    async restart({ wipe = false } = {}) {
      await running.end("SIGKILL");
      if (wipe) await rm(`${dir}/data`, { recursive: true, force: true });
      running = await launch(dir, all, ready);
    },
    freeze: (on) => running.signal(on ? "SIGSTOP" : "SIGCONT"),
    [Symbol.asyncDispose]: () => running.end("SIGTERM"),
  };
}

async function launch(cwd: string, flags: readonly string[], ready: () => Promise<boolean>) {
  const program = await findPrometheus();
  if ("missing" in program) throw new Error(program.missing);
  const child = spawn(path.join(program.bin, "prometheus"), flags, { cwd, stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (log = (log + text).slice(-4_000)));
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const kill = () => void child.kill("SIGKILL");
  process.once("exit", kill);
  await waitFor("Prometheus to be ready", ready).catch((cause: unknown) => {
    kill();
    throw new Error(`starting Prometheus: ${log}`, { cause });
  });
  return {
    signal: (name: NodeJS.Signals) => void child.kill(name),
    async end(name: NodeJS.Signals) {
      process.off("exit", kill);
      child.kill(name);
      await closed;
    },
  };
}
