import { z } from "zod";
import { setOf, text } from "../src/api/fields.ts";
import type { Row, SqlAnswer, SqlReader } from "../src/brokers/sql-client.ts";
import type { Result, Scaler } from "../src/core/contract.ts";
import { isOld, shapeOf, tasksOf, triggersOf } from "./airflow/statements.ts";
import { numberOf, workerOf } from "./sql/reading.ts";

const query = z.strictObject({
  count: z
    .enum(["Tasks", "Triggers"])
    .default("Tasks")
    .describe("`Tasks`: what Celery workers work on. `Triggers`: what triggerers hold for deferred tasks. Example: `Triggers`."),
  queues: setOf(text(256))
    .min(1)
    .max(100)
    .default(["default"])
    .describe("With `Tasks`: all queues that the workers of this pool work on. Example: `[default, reports]`."),
  executors: setOf(text(256))
    .min(1)
    .max(16)
    .default(["CeleryExecutor"])
    .describe(
      "With `Tasks`: executors that hand tasks to these workers, by class name or alias, as tasks name them. Example: `[CeleryExecutor, celery]`.",
    ),
  unnamedExecutor: z
    .boolean()
    .default(true)
    .describe(
      "With `Tasks`: whether tasks that name no executor count: with several executors, the first is theirs. Example: `false`.",
    ),
});
type Query = z.output<typeof query>;

/**
 * Airflow 2.x and 3.x by its metadata database: tasks that are queued and running, and on which worker. One query for all
 * triggers of a connection. A worker is idle once nothing is queued and nothing runs on it: what it has fetched ahead is
 * still queued to Airflow. The user needs to SELECT from `task_instance`, for triggers from `trigger` and `job`.
 */
export const airflow: Scaler<Query, SqlReader> = {
  type: "airflow",
  summary: "Tasks of Airflow that are queued and running on Celery workers, and which worker is busy; or its triggers.",
  broker: ["postgresql", "mysql"],
  query,
  everyMs: 2000,
  sight: ({ count }) => ({ running: true, workers: count === "Tasks" }),

  async read(client, queries, signal) {
    const texts = queries.map(({ count }) => (count === "Tasks" ? tasksOf(client, shapeOf(client)) : triggersOf(client)));
    const answers = await client.ask(texts, signal);
    if (shapeOf(client) === "executors" && answers.some(lacksExecutor)) {
      isOld(client);
      return airflow.read(client, queries, signal);
    }
    return queries.map((query, i) => toResult(query, answers[i] as SqlAnswer));
  },
};

const lacksExecutor = (answer: SqlAnswer) =>
  "problem" in answer && answer.problem.kind === "invalid" && /executor/i.test(answer.problem.message);

function toResult(query: Query, answer: SqlAnswer): Result {
  if ("problem" in answer) return answer;
  const { rows, epoch, askedAt } = answer;
  const numbers = query.count === "Tasks" ? tasks(query, rows, askedAt) : triggers(rows);
  return { reading: { ...numbers, epoch, sampledAt: askedAt } };
}

function tasks(query: Query, rows: readonly Row[], seenAt: number) {
  const own = rows.filter((row) => query.queues.includes(String(row["queue"])) && isOurs(query, row["executor"]));
  const [queued, running] = [own.filter(isQueued), own.filter((row) => !isQueued(row))];
  const oldest = Math.max(...queued.map((row) => numberOf(row["oldest_seconds"]) ?? 0), 0);
  const workers = new Map<string, number>();
  for (const row of running) {
    const host = String(row["host"] ?? "");
    if (host !== "") workers.set(host, (workers.get(host) ?? 0) + countOf(row));
  }
  const waiting = sum(queued);
  return {
    waiting,
    running: sum(running),
    ...(waiting > 0 && { oldestMs: oldest * 1000 }),
    workers: [...workers].map(([host, busy]) => workerOf(host, busy, seenAt)),
    // A task that a worker has fetched and not begun is queued to Airflow: then nobody is proven idle by silence.
    ...(waiting === 0 && { othersIdle: true }),
  };
}

const triggers = ([row]: readonly Row[]) => {
  const held = numberOf(row?.["held"]) ?? 0; // SUM of no rows is NULL: there are no triggers
  return { waiting: (numberOf(row?.["existing"]) ?? Number.NaN) - held, running: held };
};

/** A task carries its executor as its author wrote it: a class, a path to one, an alias; or none. */
function isOurs({ executors, unnamedExecutor }: Query, executor: unknown): boolean {
  if (executor === null || executor === undefined || executor === "") return unnamedExecutor;
  const name = String(executor);
  return executors.some((one) => name === one || name.endsWith(`.${one}`));
}

const isQueued = (row: Row) => row["state"] === "queued";
const countOf = (row: Row) => numberOf(row["tasks"]) ?? Number.NaN;
const sum = (rows: readonly Row[]) => rows.reduce((all, row) => all + countOf(row), 0);
