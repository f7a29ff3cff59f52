import { z } from "zod";
import { setOf, text } from "../src/api/fields.ts";
import type { SqlAnswer, SqlReader } from "../src/brokers/sql-client.ts";
import type { Scaler } from "../src/core/contract.ts";
import { toResult } from "./airflow/reading.ts";
import { isOld, shapeOf, tasksOf, triggersOf } from "./airflow/statements.ts";

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

  /** Celery's queue holds what Airflow has queued, and its workers what Airflow has running or queued. */
  covers: ({ count, queues }, type, other) =>
    count === "Tasks" &&
    type === "celery" &&
    (other as { queues: readonly string[] }).queues.every((queue) => queues.includes(queue)),

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
