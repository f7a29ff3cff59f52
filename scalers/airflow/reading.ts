import type { Row, SqlAnswer } from "../../src/brokers/sql-client.ts";
import type { Result } from "../../src/core/contract.ts";
import { numberOf, workerOf } from "../sql/reading.ts";

/** What a trigger asks of Airflow. */
export type AirflowQuery = Readonly<{
  count: "Tasks" | "Triggers";
  queues: readonly string[];
  executors: readonly string[];
  unnamedExecutor: boolean;
}>;

/** Rows of the statements in statements.ts as a reading. */
export function toResult(query: AirflowQuery, answer: SqlAnswer): Result {
  if ("problem" in answer) return answer;
  const { rows, epoch, askedAt } = answer;
  const numbers = query.count === "Tasks" ? tasks(query, rows, askedAt) : triggers(rows);
  return { reading: { ...numbers, epoch, sampledAt: askedAt } };
}

function tasks(query: AirflowQuery, rows: readonly Row[], seenAt: number) {
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
function isOurs({ executors, unnamedExecutor }: AirflowQuery, executor: unknown): boolean {
  if (executor === null || executor === undefined || executor === "") return unnamedExecutor;
  const name = String(executor);
  return executors.some((one) => name === one || name.endsWith(`.${one}`));
}

const isQueued = (row: Row) => row["state"] === "queued";
const countOf = (row: Row) => numberOf(row["tasks"]) ?? Number.NaN;
const sum = (rows: readonly Row[]) => rows.reduce((all, row) => all + countOf(row), 0);
