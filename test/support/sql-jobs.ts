import type { ScalerWorld } from "../conformance/scaler.ts";
import type { TestDatabase } from "./sql-server.ts";

type Words = Readonly<{
  quote: (text: string) => string;
  id: string;
  name: string;
  time: string;
  now: string;
  after: (seconds: number) => string;
  secondsSince: (time: string) => string;
  list: string;
  notify: readonly string[];
}>;

const postgres: Words = {
  quote: (text) => `'${text.replaceAll("'", "''")}'`,
  id: "bigserial",
  name: "text",
  time: "timestamptz",
  now: "clock_timestamp()",
  after: (seconds) => `clock_timestamp() + interval '${seconds} s'`,
  secondsSince: (time) => `extract(epoch FROM clock_timestamp() - ${time})`,
  list: "string_agg(id::text, ',')",
  notify: ["SELECT pg_notify('jobs', '')"],
};

const mysql: Words = {
  // There a backslash escapes.
  quote: (text) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`,
  id: "bigint AUTO_INCREMENT",
  name: "varchar(512) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
  time: "datetime(6)",
  now: "NOW(6)",
  after: (seconds) => `NOW(6) + INTERVAL ${seconds} SECOND`,
  secondsSince: (time) => `TIMESTAMPDIFF(MICROSECOND, ${time}, NOW(6)) / 1000000`,
  list: "GROUP_CONCAT(id)",
  notify: [],
};

/** One row for each queue: one that is there and empty has a row too. */
const jobsQuery = ({ now, after, secondsSince }: Words) => {
  const ready = `jobs.holder IS NULL AND jobs.due <= ${now}`;
  const soon = `jobs.holder IS NULL AND jobs.due > ${now} AND jobs.due <= ${after(60)}`;
  const count = (those: string) => `coalesce(sum(CASE WHEN ${those} THEN 1 ELSE 0 END), 0)`;
  return `SELECT q.name AS queue, CASE WHEN max(q.state) = 'spoilt' THEN 'many' ELSE ${count(ready)} END AS waiting,
  ${count("jobs.holder IS NOT NULL")} AS running, ${count(soon)} AS due_soon,
  ${secondsSince(`min(CASE WHEN ${ready} THEN jobs.due END)`)} AS oldest_seconds,
  CASE WHEN max(q.state) = 'paused' THEN 0 END AS ceiling
FROM queues q LEFT JOIN jobs ON jobs.queue = q.name GROUP BY q.name`;
};

/** A queue as people keep them in a database: one row a job, with who holds it. */
export async function jobsWorld(server: TestDatabase, more: Readonly<Record<string, unknown>> = {}): Promise<ScalerWorld> {
  const isPostgres = server.url.startsWith("postgresql:");
  const words = isPostgres ? postgres : mysql;
  const { quote, id, name, time, now, after, list, notify } = words;
  // Text where a number should be: PostgreSQL wants all of a column alike.
  const query = jobsQuery(words).replace(
    /ELSE (.*) END AS waiting/,
    isPostgres ? "ELSE ($1)::text END AS waiting" : "ELSE $1 END AS waiting",
  );
  await server.sql(
    `CREATE TABLE queues (name ${name} NOT NULL, state varchar(10) NOT NULL DEFAULT 'open')`,
    `CREATE TABLE jobs (id ${id} PRIMARY KEY, queue ${name} NOT NULL, due ${time} NOT NULL, holder varchar(100))`,
  );
  const add = async (queue: string, jobs: number, due = now) => {
    const rows = Array.from({ length: jobs }, () => `(${quote(queue)}, ${due})`);
    await server.sql(`INSERT INTO jobs (queue, due) VALUES ${rows.join(", ")}`, ...notify);
  };
  const login = { url: server.url, statementTimeout: 1000 };
  return {
    settings: { ...login, password: server.password },
    wrongSettings: { ...login, password: "wrong" },
    absent: "missing",
    query: (queue) => ({ query, queue, ...more }),
    async make(queue) {
      const own = quote(queue);
      await server.sql(`DELETE FROM jobs WHERE queue = ${own}`, `DELETE FROM queues WHERE name = ${own}`);
      await server.sql(`INSERT INTO queues (name) VALUES (${own})`);
    },
    put: add,
    async take(queue, jobs) {
      const free = `SELECT id FROM jobs WHERE queue = ${quote(queue)} AND holder IS NULL ORDER BY id LIMIT ${jobs}`;
      const [row] = await server.sql(`SELECT ${list} AS ids FROM (${free}) one`);
      await server.sql(`UPDATE jobs SET holder = 'worker-1' WHERE id IN (${String(row?.["ids"])})`);
    },
    delay: (queue, jobs, ms) => add(queue, jobs, after(ms / 1000)),
    async pause(queue, on) {
      await server.sql(`UPDATE queues SET state = '${on ? "paused" : "open"}' WHERE name = ${quote(queue)}`);
    },
    spoil: async (queue) => void (await server.sql(`INSERT INTO queues VALUES (${quote(queue)}, 'spoilt')`)),
    kill: () => server.kill9(),
    revive: () => server.restart(),
    freeze: (on) => (on ? server.stopProcess() : server.contProcess()),
    [Symbol.asyncDispose]: () => server.stop(),
  };
}
