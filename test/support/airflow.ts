import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { chmod, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { freePort } from "../../src/services/free-port.ts";
import { cacheFolder } from "../../src/services/python.ts";
import { waitFor } from "./wait.ts";

const run = promisify(execFile);

/** One Airflow: its version, what is installed with it, the name of its venv, and what Python must then find. */
type Edition = Readonly<{ release: string; more: readonly string[]; venv: string; imports: string }>;

const editions = {
  /** Celery 5.6 took away what the provider imports (seen with 3.26.0). */
  3: {
    release: "3.3.2",
    more: [
      "apache-airflow-providers-celery==3.26.0",
      "apache-airflow-providers-postgres==7.1.1",
      "celery[redis]==5.5.3",
      "asyncpg==0.32.0",
      "psycopg2-binary==2.9.13",
    ],
    venv: "airflow-3.3.2-celery-5.5.3",
    imports: "airflow, airflow.providers.celery, celery, psycopg2, redis",
  },
  /** For its tables only: no workers. */
  2: { release: "2.11.2", more: ["psycopg2-binary==2.9.13"], venv: "airflow-2.11.2", imports: "airflow.models, psycopg2" },
} as const satisfies Readonly<Record<number, Edition>>;

/** The folder of `airflow` and its `python`; or why there is none. */
export type FoundAirflow = Readonly<{ bin: string } | { missing: string }>;
const found = new Map<keyof typeof editions, Promise<FoundAirflow>>();

/** Airflow (3: with Celery) for PostgreSQL, in a venv in the cache folder, made at the first use. Never throws. */
export function findAirflow(major: keyof typeof editions = 3): Promise<FoundAirflow> {
  const known = found.get(major) ?? find(editions[major]);
  found.set(major, known);
  return known;
}

async function find({ release, more, venv: name, imports }: Edition): Promise<FoundAirflow> {
  const venv = join(cacheFolder(process.env), name);
  const bin = join(venv, "bin");
  const works = (bin: string) => canImport(bin, imports);
  if (await works(bin)) return { bin };
  try {
    console.error(`installing Airflow ${release} into ${venv} (once, one to three minutes)`);
    await make(venv, [`apache-airflow==${release}`, ...more]);
    return (await works(bin)) ? { bin } : { missing: `Airflow ${release} does not run with this Python` };
  } catch (error) {
    // Another run may have finished the same venv in the meantime.
    if (await works(bin)) return { bin };
    return { missing: `could not install Airflow ${release}: ${String(error).split("\n")[0]}` };
  }
}

const canImport = (bin: string, modules: string) =>
  run(join(bin, "python"), ["-c", `import ${modules}`]).then(
    () => true,
    () => false,
  );

/** In a folder of its own first, so that an interrupted run leaves no half of a venv under the final name. */
async function make(venv: string, requirements: readonly string[]): Promise<void> {
  const fresh = `${venv}.${process.pid}`;
  try {
    await mkdir(dirname(venv), { recursive: true });
    await run("python3", ["-m", "venv", fresh]);
    const python = join(fresh, "bin", "python");
    const options = { timeout: 600_000, maxBuffer: 64 << 20 };
    await run(python, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...requirements], options);
    // The script of pip names the folder that this one was made in.
    const script = join(fresh, "bin", "airflow");
    await writeFile(script, '#!/bin/sh\nexec "$(dirname "$0")/python" -m airflow "$@"\n');
    await chmod(script, 0o755);
    await rename(fresh, venv);
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}

export type AirflowOptions = Readonly<{
  /** Where it keeps its things. */
  folder: string;
  dags: string;
  /** Where Python finds what the DAGs and the configuration import. */
  modules: string;
  /** `postgresql://user:password@host:port/database`. */
  database: string;
  broker: string;
}>;

/** A scheduler, a DAG processor and an API server; workers are somebody else's. */
export interface TestAirflow extends AsyncDisposable {
  /** What `airflow` needs to find all that, also to run a worker. */
  readonly env: Readonly<Record<string, string>>;
  /** Runs one command of `airflow` to its end. */
  airflow(...words: readonly string[]): Promise<string>;
}

/** Makes the tables of its database, starts it, and waits until it is healthy. Takes some 40 s. */
export async function startAirflow(options: AirflowOptions): Promise<TestAirflow> {
  const installed = await findAirflow();
  if ("missing" in installed) throw new Error(installed.missing);
  const port = await freePort();
  const env = environment(options, installed.bin, port);
  const airflow = async (...words: readonly string[]) => {
    const settings = { env: { ...process.env, ...env }, timeout: 240_000, maxBuffer: 16 << 20 };
    return (await run(join(installed.bin, "airflow"), words, settings)).stdout;
  };
  await airflow("db", "migrate");
  const parts = ["api-server", "scheduler --skip-serve-logs", "dag-processor"].map((words) =>
    startPart(installed.bin, words.split(" "), env),
  );
  const end = async () => void (await Promise.all(parts.map((part) => part.end())));
  try {
    await waitFor("Airflow to be healthy", () => isHealthy(port, parts), 240_000);
  } catch (error) {
    const said = parts.map((part) => part.log.slice(-5).join(" · ")).join(" | ");
    await end();
    throw new Error(`starting Airflow: ${said}`, { cause: error });
  }
  return { env, airflow, [Symbol.asyncDispose]: end };
}

function environment({ folder, dags, modules, database, broker }: AirflowOptions, bin: string, port: number) {
  const url = database.replace(/^postgresql:/, "");
  return {
    PATH: `${bin}:${process.env["PATH"] ?? ""}`,
    PYTHONPATH: modules,
    PYTHONDONTWRITEBYTECODE: "1",
    C_FORCE_ROOT: "1",
    AIRFLOW_HOME: folder,
    AIRFLOW__CORE__EXECUTOR: "CeleryExecutor",
    AIRFLOW__CORE__DAGS_FOLDER: dags,
    AIRFLOW__CORE__LOAD_EXAMPLES: "False",
    AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION: "False",
    AIRFLOW__CORE__HOSTNAME_CALLABLE: "worker_name.worker_name",
    AIRFLOW__CORE__EXECUTION_API_SERVER_URL: `http://127.0.0.1:${port}/execution/`,
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN: `postgresql+psycopg2:${url}`,
    AIRFLOW__CELERY__BROKER_URL: broker,
    AIRFLOW__CELERY__RESULT_BACKEND: `db+postgresql:${url}`,
    AIRFLOW__API__HOST: "127.0.0.1",
    AIRFLOW__API__PORT: String(port),
    AIRFLOW__API__WORKERS: "1",
    AIRFLOW__API_AUTH__JWT_SECRET: "of-this-test-only-".repeat(4),
  };
}

type Part = Readonly<{ log: readonly string[]; gone: () => boolean; end: () => Promise<void> }>;

/** In a process group of its own: a signal reaches its children. */
function startPart(bin: string, words: readonly string[], env: Readonly<Record<string, string>>): Part {
  const child = spawn(join(bin, "airflow"), words, {
    env: { ...process.env, ...env },
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = once(child, "close").catch(() => {});
  const log: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => {
      log.push(...chunk.toString().split("\n").filter(Boolean));
      log.splice(0, log.length - 100);
    });
  const interrupted = () => signalGroup(child, "SIGKILL");
  process.once("exit", interrupted);
  return {
    log,
    gone: () => child.exitCode !== null || child.signalCode !== null,
    async end() {
      signalGroup(child, "SIGTERM");
      const late = setTimeout(() => signalGroup(child, "SIGKILL"), 20_000);
      await exited;
      clearTimeout(late);
      signalGroup(child, "SIGKILL"); // children that outlived it
      process.off("exit", interrupted);
    },
  };
}

function signalGroup(child: ChildProcess, name: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, name);
  } catch {
    // It has gone: what every caller wants to be sure of.
  }
}

/**
 * Airflow's workers whose names begin so, with their process groups: by their command lines, for they write over their
 * environment (setproctitle).
 */
export function airflowWorkers(pool: string): ReadonlyMap<string, number> {
  const pattern = new RegExp(`${pool}-\\d+-[0-9a-f]{4}`);
  const found = new Map<string, number>();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    const id = pattern.exec(read(`/proc/${pid}/cmdline`))?.[0];
    const stat = read(`/proc/${pid}/stat`);
    const [state, , group] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (id !== undefined && state !== "Z" && state !== "X") found.set(id, Number(group));
  }
  return found;
}

function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return ""; // gone meanwhile
  }
}

async function isHealthy(port: number, parts: readonly Part[]): Promise<boolean> {
  if (parts.some((part) => part.gone())) throw new Error("a part of Airflow has ended");
  try {
    const response = await fetch(`http://127.0.0.1:${port}/api/v2/monitor/health`, { signal: AbortSignal.timeout(5000) });
    const health = (await response.json()) as Record<string, { status?: string }>;
    return ["metadatabase", "scheduler", "dag_processor"].every((part) => health[part]?.status === "healthy");
  } catch {
    return false; // not up yet
  }
}
