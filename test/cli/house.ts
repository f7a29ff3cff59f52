import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createClient } from "@redis/client";
import { Queue } from "bullmq";
import type { WorkerSnapshot } from "../../src/control/worker-snapshot.ts";
import { findWorkers } from "../../src/targets/process-identity.ts";
import { type JobLine, parseLines } from "../support/checker/lines.ts";
import { startRedis } from "../support/redis.ts";
import { patienceMs, waitFor } from "../support/wait.ts";
import { tail } from "./tail.ts";

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const bullmqWorker = fileURLToPath(new URL("../support/workers/bullmq-worker.mjs", import.meta.url));

/** What a command came to. */
export type Outcome = Readonly<{ code: number | string; stdout: string; stderr: string }>;
type Env = Readonly<Record<string, string>>;

/** One running `worktide run`. */
export type Life = Readonly<{
  pid: number;
  url: string;
  /** Both its streams, line by line, so far. */
  said: readonly string[];
  /** Exit code, or the signal that ended it. */
  exited: Promise<number | string>;
  signal(name: NodeJS.Signals): void;
  /** Closes our end of its output, as a pager does that is left. */
  hangUp(): void;
  /** Reads no more of its output, and leaves it open. */
  stall(): void;
  /** Waits for a line that holds this text; from the `from`th line on. */
  says(text: string, ms?: number, from?: number): Promise<void>;
}>;

/** How one pool of BullMQ workers differs from the usual one. */
export type PoolOptions = Readonly<{
  min?: number;
  max?: number;
  jobsPerReplica?: number;
  /** More fields of `spec`, in place of the usual ones. */
  spec?: Readonly<Record<string, unknown>>;
  env?: Env;
}>;

/** A Redis, a folder with a file, the program as its users run it, and all that there is to see of it. */
export type House = Awaited<ReturnType<typeof openHouse>>;

const document = (kind: string, name: string, spec: unknown) =>
  JSON.stringify({ apiVersion: "worktide.dev/v1alpha1", kind, metadata: { name }, spec }, null, 2);

export async function openHouse() {
  const redis = await startRedis();
  const folder = await mkdtemp(join(tmpdir(), "worktide-cli-"));
  const file = join(folder, "worktide.yaml");
  const journal = join(folder, "journal");
  const client = createClient({ url: redis.url }).on("error", () => {});
  await client.connect();
  const queues = new Map<string, Queue>();
  const pools = new Set<string>();
  const children = new Set<ChildProcess>();
  // Other tests on this machine have pools too; what a test finds must be its own.
  const mark = Math.random().toString(16).slice(2, 8);
  await writeFile(journal, "");

  const queueOf = (name: string): Queue => {
    let queue = queues.get(name);
    if (queue === undefined) {
      queue = new Queue(name, { connection: client as never });
      queue.on("error", () => {});
      queues.set(name, queue);
    }
    return queue;
  };

  const addJobs = async (queue: string, jobs: readonly object[]): Promise<readonly string[]> => {
    const opts = { removeOnComplete: 10, attempts: 3 };
    const added = await queueOf(queue).addBulk(jobs.map((data) => ({ name: "job", data, opts })));
    return added.map(({ id }) => id ?? "");
  };
  /** Adds one job for each length, ms; resolves with their ids. */
  const addEach = (queue: string, lengths: readonly number[]): Promise<readonly string[]> =>
    addJobs(
      queue,
      lengths.map((ms) => ({ ms })),
    );
  let held = 0;

  const spawnMain = (args: readonly string[], env: Env): ChildProcess => {
    const child = spawn(process.execPath, [main, ...args], {
      cwd: folder,
      env: { ...process.env, REDIS_URL: redis.url, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    children.add(child);
    child.once("exit", () => children.delete(child));
    return child;
  };

  const endOf = async (child: ChildProcess): Promise<number | string> => {
    const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
    return signal ?? code ?? "nothing";
  };

  const reap = async () => {
    await Promise.all(
      [...children].map(async (child) => {
        const ended = once(child, "exit");
        if (child.exitCode === null && child.signalCode === null && child.kill("SIGKILL")) await ended;
      }),
    );
  };

  const alive = (name: string): readonly string[] => findWorkers(name).map(({ id }) => id);
  const jobs = tail(journal, (text) => parseLines(text) as JobLine[]);

  const jobsOf = (pool: string) => jobs().filter(({ worker }) => worker.startsWith(`${pool}-`));

  return {
    redis,
    client,
    folder,
    file,
    journal,
    /** The name of a pool and its queue, of this house only. */
    nameOf: (name: string): string => `${name}-${mark}`,
    connection: () => document("QueueConnection", "main", { redis: { url: redis.url } }),
    /** A pool of real BullMQ workers with one job in hand at most, quick to shrink. */
    pool(name: string, { min = 0, max = 3, jobsPerReplica = 1, spec = {}, env = {} }: PoolOptions = {}): string {
      pools.add(name);
      const own = { QUEUE: name, REDIS_URL: redis.url, WORKTIDE_TEST_JOURNAL: journal, LOCK_MS: "5000", ...env };
      return document("ScaledWorker", name, {
        target: { process: { command: [process.execPath, bullmqWorker], env: own, stopGrace: "20s", logs: "Discard" } },
        replicas: { min, max },
        triggers: [{ name, connection: "main", bullmq: { queue: name }, goal: { jobsPerReplica }, every: "200ms" }],
        scaleDown: { cooldown: "0s" },
        behavior: { scaleDown: { stabilizationWindowSeconds: 0 } },
        ...spec,
      });
    },
    /** Has a pool that is made otherwise than by {@link pool} ended with this house. */
    owns: (name: string) => void pools.add(name),
    /** As editors do: at no moment is half of it to be read. */
    async write(...documents: readonly string[]): Promise<void> {
      await writeFile(`${file}.new`, documents.join("\n---\n"));
      await rename(`${file}.new`, file);
    },
    remove: () => rm(file),
    add: (queue: string, count: number, ms: number) => addEach(queue, new Array<number>(count).fill(ms)),
    addEach,
    /** Adds jobs that do not end before they are released; resolves with what releases them. */
    async hold(queue: string, count: number): Promise<() => Promise<void>> {
      const until = join(folder, `release-${++held}`);
      await addJobs(queue, new Array<object>(count).fill({ until }));
      return () => writeFile(until, "");
    },
    document,
    /** Starts `worktide run` and waits until the documents are in force. */
    async run(args: readonly string[] = [], env: Env = {}): Promise<Life> {
      const child = spawnMain(["run", "-f", file, "--listen", "127.0.0.1:0", ...args], env);
      const said: string[] = [];
      const exited = endOf(child);
      const up = Promise.withResolvers<string>();
      for (const stream of [child.stdout, child.stderr]) {
        if (stream === null) continue;
        createInterface({ input: stream }).on("line", (line) => {
          said.push(line);
          const url = /"url":"(http[^"]+)"/.exec(line)?.[1];
          if (url !== undefined) up.resolve(url);
        });
      }
      void exited.then((how) => up.reject(new Error(`worktide ended (${how}) before it ran:\n${said.join("\n")}`)));
      const url = await up.promise;
      const says = (text: string, ms = patienceMs, from = 0) =>
        waitFor(`worktide to say '${text}'`, () => said.slice(from).some((line) => line.includes(text)), ms);
      const hangUp = () => {
        child.stdout?.destroy();
        child.stderr?.destroy();
      };
      const stall = () => {
        child.stdout?.pause();
        child.stderr?.pause();
      };
      return { pid: child.pid ?? 0, url, said, exited, says, hangUp, stall, signal: (name) => void child.kill(name) };
    },
    /** Starts `worktide run` and kills it so many ms later, up or not. */
    async runAndKill(ms: number): Promise<void> {
      const child = spawnMain(["run", "-f", file, "--listen", "127.0.0.1:0"], {});
      child.stdout?.resume();
      child.stderr?.resume();
      const exited = once(child, "exit");
      await pause(ms);
      child.kill("SIGKILL");
      await exited;
    },
    /** Runs any other command to its end. */
    async ask(args: readonly string[], env: Env = {}): Promise<Outcome> {
      const child = spawnMain(args, env);
      let stdout = "";
      let stderr = "";
      child.stdout?.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
      child.stderr?.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
      const [code, signal] = (await once(child, "close")) as [number | null, string | null];
      return { code: signal ?? code ?? "nothing", stdout, stderr };
    },
    async snapshot(life: Life, name: string): Promise<WorkerSnapshot> {
      const response = await fetch(`${life.url}/api/v1/workers/default/${name}`, { signal: AbortSignal.timeout(30_000) });
      return (await response.json()) as WorkerSnapshot;
    },
    /** Kills every worktide that still runs. */
    reap,
    /** Worker processes of the pool, by /proc. */
    alive,
    jobs,
    /** Jobs of this pool that began and have neither ended nor been cut off. */
    inHand: (pool: string): number => jobsOf(pool).reduce((sum, { kind }) => sum + (kind === "job.start" ? 1 : -1), 0),
    /** Jobs of this pool that ended. */
    done: (pool: string): number => jobsOf(pool).filter(({ kind }) => kind === "job.end").length,
    /** Waits until the pool has so many processes. */
    size: (name: string, size: number, ms = patienceMs) =>
      waitFor(`${size} workers of ${name}`, () => alive(name).length === size, ms),
    /** What no run may ever show: jobs cut off, never ended, or run twice. */
    unfair(): readonly string[] {
      const by = Map.groupBy(jobs(), ({ job, worker }) => `${worker.replace(/-\d+-[0-9a-f]{4}$/, "")} ${job}`);
      return [...by].flatMap(([job, seen]) => {
        const kinds = seen.map(({ kind }) => kind.slice(4)).join(" ");
        return kinds === "start end" ? [] : [`${job}: ${kinds}`];
      });
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await reap(); // worktide first, or it would start its workers again
      for (const name of pools) for (const { pid } of findWorkers(name)) process.kill(-pid, "SIGKILL");
      for (const queue of queues.values()) await queue.close().catch(() => {});
      client.destroy();
      await redis.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
