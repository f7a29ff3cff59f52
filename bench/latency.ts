import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { monotonicMs } from "../src/brokers/clock.ts";
import { findPython } from "../src/services/python.ts";
import { waitFor } from "../test/support/wait.ts";
import type { Bench } from "./context.ts";
import { digits, quantile } from "./figures.ts";
import { connection, scaledWorker, startHouse } from "./house.ts";
import { type BenchRedis, startRedis } from "./redis.ts";

/** How a job is put into its queue, and what reads that queue. */
type Kind = Readonly<{ name: string; title: string; trigger: (queue: string) => Readonly<Record<string, unknown>> }>;

const redisList: Kind = { name: "redis", title: "LPUSH, redis list", trigger: (key) => ({ redis: { list: { key } } }) };
const bullmq: Kind = { name: "bullmq", title: "Queue.add, bullmq", trigger: (queue) => ({ bullmq: { queue } }) };
const celery: Kind = { name: "celery", title: "apply_async, celery", trigger: (queue) => ({ celery: { queues: [queue] } }) };

/** One job: from just before it was put there until its decision was applied, and until its process ran; ms. */
type Sample = Readonly<{ applied: number; begun: number }>;

type Mode = "woken" | "polled";

/** bash tells the time in µs at its first line; what follows keeps the process alive at no cost. */
const tell = 'echo "$WORKTIDE_WORKER_ID $EPOCHREALTIME" >> begun; exec sleep 3600';

/** From a job put into an empty queue to the decision 0 -> 1 applied, and to the first line of the worker that it started. */
export const latency: Bench = async ({ quick, say }) => {
  const python = await findPython({ env: process.env, onProgress: say });
  if ("missing" in python) say(`latency: without celery: ${python.missing}`);
  const kinds = [redisList, bullmq, ...("python" in python ? [celery] : [])];
  const [repeats, pools] = quick ? [1, 15] : [3, 40];
  const samples = new Map<string, Sample[]>();
  await using redis = await startRedis();
  // Whoever may not ask to be told of changes is not told: then there is polling only.
  await redis.send("ACL", "SETUSER", "polling", "on", ">polling", "~*", "&*", "+@all", "-client|tracking");
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const mode of ["woken", "polled"] as const) {
      for (const kind of kinds) {
        const key = `${mode} ${kind.name}`;
        const found = await measure({ redis, kind, mode, pools, python: "python" in python ? python.python : "" });
        samples.set(key, [...(samples.get(key) ?? []), ...found]);
        const p50 = quantile(found.map(({ applied }) => applied), 0.5); // biome-ignore format: one line
        say(`latency: ${key}: p50 ${digits(p50)} ms of ${found.length}`);
      }
    }
  }
  const rows = (["woken", "polled"] as const).flatMap((mode) =>
    kinds.map(({ name, title }) => {
      const found = samples.get(`${mode} ${name}`) ?? [];
      const of = (what: keyof Sample) =>
        [0.5, 0.95, 0.99].map((q) =>
          digits(
            quantile(
              found.map((sample) => sample[what]),
              q,
            ),
          ),
        );
      return [title, mode, digits(found.length), ...of("applied"), ...of("begun")];
    }),
  );
  return [
    {
      title: "From a job to its worker",
      note:
        "ms from just before the job is put into an empty queue until the decision 0 -> 1 is applied, and until the first line of " +
        `the process that it started runs (bash). ${pools} pools at once, one job each, ${repeats} times over, worktide started anew ` +
        "each time. Woken: Redis tells of the change. Polled: a user who may not track changes, at the default interval of 1 s. " +
        "Goals: woken p50 ≤ 25 ms, polled p95 ≤ 1 s, to the decision applied.",
      head: ["job put by, read by", "mode", "jobs", "applied p50", "p95", "p99", "begun p50", "p95", "p99"],
      rows,
    },
  ];
};

type Setup = Readonly<{ redis: BenchRedis; kind: Kind; mode: Mode; pools: number; python: string }>;

async function measure({ redis, kind, mode, pools, python }: Setup): Promise<readonly Sample[]> {
  await redis.send("FLUSHALL");
  const names = Array.from({ length: pools }, (_, i) => `${kind.name}-${i}`);
  const login = mode === "polled" ? { username: "polling", passwordFrom: { env: "BENCH_PASSWORD" } } : {};
  const documents = [
    connection(redis.url, login),
    ...names.map((name) => scaledWorker(name, [kind.trigger(name)], { command: ["bash", "-c", tell] })),
  ];
  await using house = await startHouse({ documents, history: true, env: { BENCH_PASSWORD: "polling" } });
  await using load = startLoad(kind, redis.url, python);
  await load.put("warm-up");
  await sleep(2500); // read and armed
  const put = new Map<string, number>();
  for (const name of names) {
    put.set(name, await load.put(name));
    await sleep(50 + 60 * Math.random());
  }
  const begunFile = join(house.folder, "begun");
  const lines = (file: string) => (existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : []);
  await waitFor("a process of each pool", () => lines(begunFile).length >= names.length);
  await sleep(200); // history is written behind
  const wallOffset = wallMinusMonotonic();
  const applied = appliedOf(lines(house.history), mode);
  const begun = new Map(
    lines(begunFile).map((line) => {
      const [id = "", seconds] = line.split(" ");
      return [id.replace(/-\d+-[0-9a-f]{4}$/, ""), Number(seconds) * 1000 - wallOffset];
    }),
  );
  return names.map((name) => {
    const since = put.get(name) ?? Number.NaN;
    return { applied: (applied.get(name) ?? Number.NaN) - since, begun: (begun.get(name) ?? Number.NaN) - since };
  });
}

/** When the first change of each pool was applied, monotonic ms. */
function appliedOf(history: readonly string[], mode: Mode): ReadonlyMap<string, number> {
  const applied = new Map<string, number>();
  for (const line of history) {
    const { kind, worker, from, outcome, endedAt, woken } = JSON.parse(line);
    if (kind === "read" && woken === true && mode === "polled") throw new Error("a read was woken where none may be");
    const name = String(worker).split("/").at(-1) ?? "";
    if (kind === "write" && outcome === "ok" && from === 0 && !applied.has(name)) applied.set(name, endedAt);
  }
  return applied;
}

/** The wall clock in ms minus the monotonic one, to some µs: taken as the wall clock's ms turns. */
function wallMinusMonotonic(): number {
  const before = Date.now();
  while (Date.now() === before);
  return Date.now() - monotonicMs();
}

function startLoad(kind: Kind, url: string, python: string) {
  const script = (name: string) => fileURLToPath(new URL(`loads/${name}`, import.meta.url));
  const [program, words] =
    kind === celery ? [python, [script("push.py"), url]] : [process.execPath, [script("push.ts"), kind.name, url]];
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: "1" };
  const child: ChildProcess = spawn(program, words, { env, stdio: ["pipe", "pipe", "inherit"] });
  if (child.stdin === null || child.stdout === null) throw new Error("a load without pipes");
  const { stdin, stdout } = child;
  const answers = createInterface({ input: stdout })[Symbol.asyncIterator]();
  return {
    /** Resolves with the time at which it began, monotonic ms. */
    async put(name: string): Promise<number> {
      stdin.write(`${name}\n`);
      const { value, done } = await answers.next();
      if (done === true) throw new Error(`the load of ${kind.name} ended`);
      return JSON.parse(value).at;
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
    },
  };
}
