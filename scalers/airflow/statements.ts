import type { SqlReader } from "../../src/brokers/sql-client.ts";

/** Airflow before 2.10 knows one executor only, and has no column for it. */
type Shape = "executors" | "one executor";

/**
 * Tasks that are in some executor's hands or waiting there, in one query for all queues: the index on `state` carries it,
 * and Airflow bounds their number (`core.parallelism`). `restarting` occupies a slot as `running` does (2.x).
 *
 * MySQL shows a TIMESTAMP in the zone of whoever asks: only seconds since 1970 are the same for all.
 */
export function tasksOf({ dialect }: Pick<SqlReader, "dialect">, shape: Shape): string {
  const age =
    dialect === "mysql"
      ? "UNIX_TIMESTAMP() - MIN(UNIX_TIMESTAMP(queued_dttm))"
      : "EXTRACT(EPOCH FROM clock_timestamp() - MIN(queued_dttm))";
  const executor = shape === "executors" ? "executor" : "NULL";
  const host = "CASE WHEN state = 'queued' THEN NULL ELSE hostname END";
  return (
    `SELECT queue, ${executor} AS executor, state, ${host} AS host, COUNT(*) AS tasks, ${age} AS oldest_seconds ` +
    "FROM task_instance WHERE state IN ('queued', 'running', 'restarting') " +
    `GROUP BY queue, ${shape === "executors" ? "executor, " : ""}state, ${host}`
  );
}

/** Triggers of deferred tasks; held is one whose triggerer has shown itself lately (its heartbeat is every 5 s). */
export function triggersOf({ dialect }: Pick<SqlReader, "dialect">): string {
  const mysql = dialect === "mysql";
  const lately = mysql
    ? "UNIX_TIMESTAMP(j.latest_heartbeat) > UNIX_TIMESTAMP() - 60"
    : "j.latest_heartbeat > now() - INTERVAL '60 seconds'";
  const held = `(j.state = 'running' AND ${lately})`;
  return (
    `SELECT SUM(CASE WHEN ${held} THEN 1 ELSE 0 END) AS held, COUNT(*) AS existing ` +
    `FROM ${mysql ? "`trigger`" : '"trigger"'} t LEFT JOIN job j ON j.id = t.triggerer_id`
  );
}

/** Databases that turned out to have no column `executor`, as long as the connection lasts. */
const old = new WeakSet<SqlReader>();

export const shapeOf = (client: SqlReader): Shape => (old.has(client) ? "one executor" : "executors");
export const isOld = (client: SqlReader): void => void old.add(client);
