import { fileURLToPath } from "node:url";
import type { Rules } from "../../../src/core/spec.ts";
import type { Expected } from "../../support/checker/lines.ts";

/** One ScaledWorker of a stage, in the terms that fault tests vary. Fast where the product's defaults are slow. */
export type Pool = Readonly<{
  name: string;
  /** Real workers of BullMQ, Celery or a table; or a list, a stream, rows or a queue elsewhere that nobody empties, and workers that sleep. */
  kind: "bullmq" | "celery" | "table" | "list" | "stream" | "rows" | "elsewhere";
  /** Which QueueConnection: `main` goes through the proxy, `steady` to a Redis that has no faults. */
  connection: "main" | "steady";
  min: number;
  max: number;
  hardMax?: true;
  waitingPerReplica: number;
  everyMs: number;
  cooldownMs: number;
  downWindowS: number;
  fallback?: Rules["fallback"];
  pause?: Rules["pause"];
  mode: Rules["mode"];
  /** A second trigger, on a list of the Redis that stays well, which is empty: by itself it would let the pool shrink. */
  also?: true;
  /** Instead of the worker of {@link kind}. */
  command?: readonly string[];
  /** Fields of the trigger instead of those of {@link kind}. */
  trigger?: Readonly<Record<string, unknown>>;
}>;

const base: Omit<Pool, "name"> = {
  kind: "bullmq",
  connection: "main",
  min: 0,
  max: 3,
  waitingPerReplica: 2,
  everyMs: 200,
  cooldownMs: 500,
  downWindowS: 1,
  mode: "Scale",
};

export const pool = (name: string, change: Partial<Pool> = {}): Pool => ({ ...base, name, ...change });

const workerFile = (name: string) => fileURLToPath(new URL(`../../support/workers/${name}`, import.meta.url));
const workers: Partial<Record<Pool["kind"], string>> = {
  bullmq: workerFile("bullmq-worker.mjs"),
  table: workerFile("sql-worker.mjs"),
};

/** The name of the second trigger of a pool. */
export const alsoOf = (name: string): string => `${name}-also`;

/** Where the Celery app of the tests is. */
export const celeryFolder = fileURLToPath(new URL("../../support/workers", import.meta.url));

/** A Celery worker that takes one task at a time and fetches so many ahead. */
export const celeryCommand = (python: string, prefetch: number): readonly string[] => [
  ...[python, "-m", "celery", "--workdir", celeryFolder, "-A", "tasks", "worker", "-c", "1"],
  ...["-n", "${WORKTIDE_WORKER_ID}@local", "--prefetch-multiplier", String(prefetch), "--loglevel", "WARNING"],
];

/** The list that a pool of kind `list` watches. */
export const listOf = (name: string): string => `backlog:${name}`;

/** The stream that a pool of kind `stream` watches. */
export const streamOf = (name: string): string => `stream:${name}`;

/** What a pool of kind `table` or `rows` counts. */
export const jobsOf = (name: string): string =>
  "SELECT count(*) FILTER (WHERE holder IS NULL) AS waiting, count(holder) AS running, " +
  `coalesce(json_agg(holder) FILTER (WHERE holder IS NOT NULL), '[]') AS busy FROM jobs WHERE queue = '${name}'`;

export type Surroundings = Readonly<{
  /** Instead of the proxy and our login. */
  main?: object;
  /** The connection `main` leads to a PostgreSQL behind the proxy. */
  database?: boolean;
  /** Instead of a Redis altogether: the spec of `main`. */
  elsewhere?: object;
  /** The reference to our password. */
  passwordFrom: object;
  mainPort: number;
  steadyPort: number;
  redisUrl: string;
  journal: string;
  env?: Readonly<Record<string, string>>;
}>;

/** The documents of a stage: JSON, which is YAML. */
export function documents(
  pools: readonly Pool[],
  { main, database, elsewhere, passwordFrom, mainPort, steadyPort, redisUrl, journal, env }: Surroundings,
): string {
  const head = (kind: string, name: string) => ({ apiVersion: "worktide.dev/v1alpha1", kind, metadata: { name } });
  const login = { username: "worktide", passwordFrom };
  const redis = { redis: main ?? { url: `redis://127.0.0.1:${mainPort}/0`, ...login } };
  const ways = database
    ? { postgresql: { url: `postgresql://watcher@127.0.0.1:${mainPort}/shop`, passwordFrom, statementTimeout: "700ms" } }
    : redis;
  const all = [
    { ...head("QueueConnection", "main"), spec: elsewhere ?? ways },
    { ...head("QueueConnection", "steady"), spec: { redis: { url: `redis://127.0.0.1:${steadyPort}/0` } } },
    ...pools.map((one) => ({
      ...head("ScaledWorker", one.name),
      spec: {
        target: {
          process: {
            command: one.command ?? commandOf(one),
            env: {
              WORKTIDE_TEST_JOURNAL: journal,
              REDIS_URL: redisUrl,
              QUEUE: one.name,
              LOCK_MS: "2000",
              STALLED_MS: "1000",
              ...env,
            },
            stopGrace: "5s",
            logs: "Discard",
          },
        },
        ...rulesFields(one),
      },
    })),
  ];
  return all.map((document) => JSON.stringify(document, null, 2)).join("\n---\n");
}

/** The spec of a ScaledWorker but its target. */
export const rulesFields = (one: Pool): object => ({
  replicas: { min: one.min, max: one.max, ...(one.hardMax && { hardMax: true }) },
  triggers: [
    {
      name: one.name,
      connection: one.connection,
      ...(one.trigger ?? defaultTrigger(one)),
      goal: { waitingPerReplica: one.waitingPerReplica },
      every: `${one.everyMs}ms`,
    },
    ...(one.also ? [second(one)] : []),
  ],
  scaleDown: { protect: protectOf(one), cooldown: `${one.cooldownMs}ms` },
  behavior: { scaleDown: { stabilizationWindowSeconds: one.downWindowS } },
  // Shorter than the faults last: what was known before them must not be all that holds the size.
  staleAfter: "2s",
  mode: one.mode,
  ...(one.fallback && { fallback: one.fallback }),
  ...(one.pause && { pause: one.pause }),
});

const second = ({ name, waitingPerReplica, everyMs }: Pool) => ({
  name: alsoOf(name),
  connection: "steady",
  redis: { list: { key: listOf(alsoOf(name)) } },
  goal: { waitingPerReplica },
  every: `${everyMs}ms`,
});

function commandOf({ kind }: Pool): readonly string[] {
  const worker = workers[kind];
  return worker === undefined ? ["sleep", "3600"] : [process.execPath, worker];
}

function defaultTrigger({ kind, name }: Pool): object {
  if (kind === "table" || kind === "rows") return { postgresql: { query: jobsOf(name) } };
  if (kind === "bullmq") return { bullmq: { queue: name } };
  if (kind === "celery") return { celery: { queues: ["celery"] } };
  return { redis: kind === "stream" ? { stream: { key: streamOf(name), group: "workers" } } : { list: { key: listOf(name) } } };
}

/** Workers that sleep are told by no framework: any may go. */
const protectOf = ({ kind }: Pool) => (["bullmq", "celery", "table"].includes(kind) ? "busy" : "grace");

/** What the checker holds a pool to. */
export function expectedOf(versions: readonly Pool[], before: Readonly<Record<number, number>>): Expected {
  const direction = { selectPolicy: "Max", policies: [], tolerance: 0 } as const;
  const rules = versions.map(
    (one, index): Rules => ({
      generation: index + 1,
      replicas: { min: one.min, max: one.max, idle: one.min, ...(one.hardMax && { hardMax: true }) },
      triggers: [one.name, ...(one.also ? [alsoOf(one.name)] : [])].map((name) => ({
        name,
        goal: { kind: "waitingPerReplica", jobs: one.waitingPerReplica },
        activation: 0,
        intervalMs: one.everyMs,
      })),
      concurrency: 1,
      scaleDown: { protect: protectOf(one), cooldownMs: one.cooldownMs },
      behavior: {
        scaleUp: { ...direction, stabilizationWindowSeconds: 0 },
        scaleDown: { ...direction, stabilizationWindowSeconds: one.downWindowS },
      },
      staleAfterMs: 2000,
      mode: one.mode,
      ...(one.fallback && { fallback: one.fallback }),
      ...(one.pause && { pause: one.pause }),
    }),
  );
  const [{ name, connection, also } = pool("")] = versions;
  return { rules, before, connections: { [name]: connection, ...(also && { [alsoOf(name)]: "steady" }) } };
}
