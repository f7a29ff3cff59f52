import type { ScalerWorld } from "../conformance/scaler.ts";
import type { TestDatabase } from "./sql-server.ts";

export type TaskRow = Readonly<{ queue?: string; state: string; host?: string; executor?: string; queuedS?: number }>;

/** The tables of Airflow's metadata that tell of tasks and triggers, with the columns that matter here. */
export async function airflowTables(server: TestDatabase, since: "2.9" | "3") {
  const isPostgres = server.url.startsWith("postgresql:");
  const [id, time, text] = isPostgres
    ? ["bigserial PRIMARY KEY", "timestamptz", "varchar(1000)"]
    : ["bigint AUTO_INCREMENT PRIMARY KEY", "timestamp(6) NULL", "varchar(500) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"];
  const quoted = isPostgres ? '"trigger"' : "`trigger`";
  await server.sql(
    `CREATE TABLE task_instance (id ${id}, state varchar(20), queue ${text}, hostname ${text}, ` +
      `${since === "3" ? `executor ${text}, ` : ""}queued_dttm ${time})`,
    "CREATE INDEX ti_state ON task_instance (state)",
    `CREATE TABLE job (id ${id}, state varchar(20), hostname ${text}, latest_heartbeat ${time})`,
    `CREATE TABLE ${quoted} (id ${id}, classpath ${text}, triggerer_id bigint)`,
  );
  const literal = (value: string | undefined) => {
    if (value === undefined) return "NULL";
    return `'${(isPostgres ? value : value.replaceAll("\\", "\\\\")).replaceAll("'", "''")}'`;
  };
  const ago = (seconds: number) => (isPostgres ? `now() - interval '${seconds} s'` : `NOW(6) - INTERVAL ${seconds} SECOND`);
  const insert = (...rows: readonly TaskRow[]) => {
    const values = rows.map(({ state, queue = "default", host = "", executor, queuedS = 0 }) => {
      const own = [literal(state), literal(queue), literal(host), ago(queuedS)];
      return `(${[...own, ...(since === "3" ? [literal(executor)] : [])].join(", ")})`;
    });
    const columns = `state, queue, hostname, queued_dttm${since === "3" ? ", executor" : ""}`;
    return `INSERT INTO task_instance (${columns}) VALUES ${values.join(", ")}`;
  };
  return {
    literal,
    ago,
    trigger: quoted,
    insert,
    add: async (...rows: readonly TaskRow[]) => void (await server.sql(insert(...rows))),
  };
}
export async function airflowWorld(server: TestDatabase, since: "2.9" | "3"): Promise<ScalerWorld> {
  const { add, literal } = await airflowTables(server, since);
  const { url, password } = server;
  return {
    settings: { url, password, statementTimeout: 1000 },
    wrongSettings: { url, password: "wrong", statementTimeout: 1000 },
    absent: "empty",
    query: (queue) => ({ queues: [queue] }),
    make: async (queue) => void (await server.sql(`DELETE FROM task_instance WHERE queue = ${literal(queue)}`)),
    put: (queue, jobs) => add(...Array.from({ length: jobs }, () => ({ queue, state: "queued" }))),
    async take(queue, jobs) {
      const queued = `SELECT id FROM task_instance WHERE queue = ${literal(queue)} AND state = 'queued' ORDER BY id LIMIT ${jobs}`;
      const ids = (await server.sql(queued)).map(({ id }) => String(id)).join(", ");
      await server.sql(`UPDATE task_instance SET state = 'running', hostname = 'worker-1' WHERE id IN (${ids})`);
    },
    kill: () => server.kill9(),
    revive: () => server.restart(),
    freeze: (on) => (on ? server.stopProcess() : server.contProcess()),
    [Symbol.asyncDispose]: () => server.stop(),
  };
}
