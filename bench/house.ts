import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, rmSync } from "node:fs";
import { mkdtemp, mkdtempDisposable, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** A whole Worktide as users run it: `worktide run -f FILE`, in a process of its own. */
export interface House extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  /** The folder of its file, its state and its history; goes with it. */
  readonly folder: string;
  /** Where `--history` goes. */
  readonly history: string;
  /** Puts another file in force. */
  declare(documents: readonly unknown[]): Promise<void>;
  get(path: string): Promise<unknown>;
}

export type HouseOptions = Readonly<{
  /** ScaledWorkers and QueueConnections. JSON is YAML: written as such. */
  documents: readonly unknown[];
  history?: boolean;
  env?: Readonly<Record<string, string>>;
}>;

const root = fileURLToPath(new URL("..", import.meta.url));
/** Inside of node_modules: the libraries are found from there, and nothing takes it for a part of the project. */
const built = join(root, "node_modules/.cache/worktide-bench");
const imageFlags = ["--min-semi-space-size=2", "--max-semi-space-size=2"];
const imageEnv = { MALLOC_ARENA_MAX: "1" };
const startMs = 120_000;

/** `worktide run`. */
export function startHouse({ documents, history = false, env = {} }: HouseOptions): Promise<House> {
  return start(documents, env, (file, historyFile) => [
    ...[join(built, "src/main.js"), "run", "-f", file, "--listen", "127.0.0.1:0", "--log-format", "json"],
    ...(history ? ["--history", historyFile] : []),
  ]);
}

/** So many ScaledWorkers of so many triggers, with targets that are nothing: many.ts, with flags and environment of the Dockerfile. */
export function startMany(url: string, workers: number, triggers = 1): Promise<House> {
  return start([], imageEnv, () => [...imageFlags, join(built, "bench/many.js"), url, String(workers), String(triggers)]);
}

/**
 * `worktide controller` as in its pod: flags and environment of the Dockerfile, and the files of a ServiceAccount where a pod
 * has them, which this process alone sees there (a mount namespace: Linux, as root).
 */
export async function startController({ url, ca, token }: Readonly<{ url: string; ca: string; token: string }>): Promise<House> {
  await using account = await mkdtempDisposable(join(tmpdir(), "worktide-bench-account-"));
  for (const [name, text] of Object.entries({ token, "ca.crt": ca, namespace: "default" })) {
    await writeFile(join(account.path, name), text);
  }
  const pod = "/run/secrets/kubernetes.io/serviceaccount";
  const mounted = `mount -t tmpfs none /run && mkdir -p ${pod} && cp "$1"/* ${pod} && shift && exec "$@"`;
  const words = [...imageFlags, join(built, "src/main.js"), "controller", "--listen", "127.0.0.1:0", "--log-format", "json"];
  const { hostname, port } = new URL(url);
  const env = { ...imageEnv, KUBECONFIG: "", KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port };
  return await start([], env, () => words, ["unshare", "--mount", "sh", "-euc", mounted, "sh", account.path]);
}

let isBuilt = false;

/** What is measured is what users run: JavaScript, as in the package. Once per run. */
function build(): void {
  if (isBuilt) return;
  isBuilt = true;
  rmSync(built, { recursive: true, force: true });
  execFileSync("tsc", ["-p", join(root, "bench/tsconfig.json"), "--outDir", built], { stdio: "inherit" });
  for (const part of ["package.json", "src/web/page"]) cpSync(join(root, part), join(built, part), { recursive: true });
}

async function start(
  documents: readonly unknown[],
  env: Readonly<Record<string, string>>,
  words: (file: string, history: string) => readonly string[],
  within: readonly string[] = [],
): Promise<House> {
  build();
  const folder = await mkdtemp(join(tmpdir(), "worktide-bench-"));
  const file = join(folder, "worktide.yaml");
  const historyFile = join(folder, "history.jsonl");
  const declare = (next: readonly unknown[]) => writeFile(file, next.map((each) => JSON.stringify(each)).join("\n---\n"));
  await declare(documents);
  const [program, ...rest] = [...within, process.execPath, ...words(file, historyFile)] as [string, ...string[]];
  const child = spawn(program, rest, {
    cwd: folder,
    env: { ...process.env, NO_COLOR: "1", ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const exited = once(child, "exit");
  const url = await addressOf(child);
  return {
    url,
    pid: child.pid ?? -1,
    folder,
    history: historyFile,
    declare,
    async get(path) {
      const response = await fetch(new URL(path, url));
      return response.headers.get("content-type")?.includes("json") ? response.json() : response.text();
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      const late = setTimeout(() => child.kill("SIGKILL"), 20_000);
      await exited;
      clearTimeout(late);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Reads its log until it says where it listens. */
async function addressOf(child: ChildProcess): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let log = "";
  const late = setTimeout(() => reject(new Error(`worktide did not start: ${log.slice(-2000)}`)), startMs);
  child.stderr?.on("data", (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-20_000);
    const found = /"url":"(http[^"]+)"/.exec(log)?.[1];
    if (found !== undefined) resolve(found);
  });
  child.once("exit", () => reject(new Error(`worktide ended: ${log.slice(-2000)}`)));
  try {
    return await promise;
  } catch (cause) {
    child.kill("SIGKILL");
    throw cause;
  } finally {
    clearTimeout(late);
  }
}

/** The connection `main`, with more settings beside the URL. */
export function connection(url: string, more: Readonly<Record<string, unknown>> = {}): unknown {
  return { apiVersion, kind: "QueueConnection", metadata: { name: "main" }, spec: { redis: { url, ...more } } };
}

/** A ScaledWorker with these triggers, on the connection `main`. */
export function scaledWorker(
  name: string,
  triggers: readonly Readonly<Record<string, unknown>>[],
  { command = ["sleep", "3600"], ...spec }: Readonly<Record<string, unknown> & { command?: readonly string[] }> = {},
): unknown {
  return {
    apiVersion,
    kind: "ScaledWorker",
    metadata: { name },
    spec: {
      target: { process: { command, logs: "Discard" } },
      replicas: { min: 0, max: 1 },
      triggers: triggers.map((trigger, i) => ({
        ...{ name: `queue-${i}`, connection: "main", goal: { waitingPerReplica: 1 } },
        ...trigger,
      })),
      scaleDown: { protect: "grace", cooldown: "0s" },
      behavior: { scaleDown: { stabilizationWindowSeconds: 0 } },
      ...spec,
    },
  };
}

const apiVersion = "worktide.dev/v1alpha1";
