import { createConnection } from "mysql2/promise";
import pg from "pg";
import { airflow } from "../scalers/airflow.ts";
import { mysql } from "../scalers/mysql.ts";
import { postgresql } from "../scalers/postgresql.ts";
import { mysqlBroker } from "../src/brokers/mysql.ts";
import { postgresBroker } from "../src/brokers/postgresql.ts";
import type { SqlReader } from "../src/brokers/sql-client.ts";
import type { SqlSettings } from "../src/brokers/sql-settings.ts";
import type { AnyScaler, Broker, Result, Session } from "../src/core/contract.ts";
import { airflowTables } from "../test/support/airflow-tables.ts";
import { skipWithoutMaria, startMaria } from "../test/support/mariadb.ts";
import { skipWithoutPostgres, startPostgres } from "../test/support/postgresql.ts";
import type { TestDatabase } from "../test/support/sql-server.ts";
import type { Bench, Context } from "./context.ts";
import { digits, median, quantile } from "./figures.ts";

type Place = Readonly<{ title: string; scaler: AnyScaler; server: TestDatabase; session: Session<SqlReader> }>;

const soon = () => AbortSignal.timeout(30_000);

/** From a row that is committed to the reading that tells it, and the cost of a round of many triggers. */
export const sql: Bench = async (context) => {
  const databases = [
    {
      title: "PostgreSQL",
      scaler: postgresql,
      broker: postgresBroker,
      missing: await skipWithoutPostgres(),
      start: startPostgres,
    },
    { title: "MariaDB", scaler: mysql, broker: mysqlBroker, missing: await skipWithoutMaria(), start: startMaria },
  ] as const;
  const [news, rounds]: [string[][], string[][]] = [[], []];
  for (const { title, scaler, broker, missing, start } of databases) {
    if (missing !== false) {
      context.say(missing);
      continue;
    }
    context.say(`sql: ${title}`);
    await using server = await start();
    await using session = await open(broker, server);
    const place = { title, scaler: scaler as AnyScaler, server, session };
    await server.sql("CREATE TABLE jobs (queue varchar(100), n int)");
    news.push(...(await measureNews(place, context)));
    for (const count of [1, 1000]) rounds.push(...(await measureRounds(place, count, context)));
  }
  return [
    {
      title: "From a row to the reading that tells it",
      note: "From just before the statement is sent that commits it. Asked: reads without a pause. Hint: until NOTIFY has been heard; a read follows it at once. In a run, what is not woken waits for the interval besides (2 s).",
      head: ["database, what", "p50, ms", "p95, ms"],
      rows: news,
    },
    {
      title: "One round of many triggers",
      note: "One connection. Same: all triggers with one query, told apart by `queue`. Own: each with a query of its own.",
      head: ["database, triggers, queries", "p50, ms", "p95, ms"],
      rows: rounds,
    },
  ];
};

async function open(broker: Broker<SqlReader, SqlSettings>, { url, password }: TestDatabase): Promise<Session<SqlReader>> {
  return broker.open({ ...broker.settings.parse({ url }), password } as never, soon());
}

/** Who adds jobs: on a connection that is there already. */
async function openWriter({ url, port, password }: TestDatabase) {
  const address = { host: "127.0.0.1", port, user: "worktide", password, database: "shop" };
  if (url.startsWith("mysql:")) {
    const client = await createConnection(address);
    return { run: (text: string) => client.query(text), [Symbol.asyncDispose]: async () => client.destroy() };
  }
  const client = new pg.Client(address);
  await client.connect();
  return { run: (text: string) => client.query(text), [Symbol.asyncDispose]: () => client.end() };
}

const countOf = (result: Result | undefined) => {
  if (result && "reading" in result) return result.reading.waiting;
  throw new Error(`a reading went wrong: ${JSON.stringify(result)}`);
};

async function measureNews({ title, scaler, server, session }: Place, { quick }: Context): Promise<string[][]> {
  const times: Record<"asked" | "hint" | "airflow", number[]> = { asked: [], hint: [], airflow: [] };
  const tables = await airflowTables(server, "3");
  await using writer = await openWriter(server);
  const query = scaler.query.parse({ query: "SELECT count(*) FROM jobs" });
  const tasks = airflow.query.parse({});
  let heard = () => {};
  using _hearing = session.client.onNotify?.("jobs", () => heard());
  const until = async (one: AnyScaler, asked: unknown, count: number) => {
    while (countOf((await one.read(session.client, [asked], soon()))[0]) !== count);
  };
  await until(scaler, query, 0);
  for (let n = 1; n <= (quick ? 10 : 100); n++) {
    let began = performance.now();
    await Promise.all([writer.run(`INSERT INTO jobs VALUES ('a', ${n})`), until(scaler, query, n)]);
    times.asked.push(performance.now() - began);
    began = performance.now();
    await Promise.all([writer.run(tables.insert({ state: "queued" })), until(airflow as AnyScaler, tasks, n)]);
    times.airflow.push(performance.now() - began);
    if (!session.client.onNotify) continue;
    const { promise, resolve } = Promise.withResolvers<void>();
    heard = resolve;
    began = performance.now();
    await Promise.all([writer.run("NOTIFY jobs"), promise]);
    times.hint.push(performance.now() - began);
  }
  return Object.entries(times).flatMap(([what, all]) =>
    all.length === 0 ? [] : [[`${title}, ${what}`, ...[median(all), quantile(all, 0.95)].map(digits)]],
  );
}

async function measureRounds({ title, scaler, session }: Place, count: number, { quick }: Context): Promise<string[][]> {
  const kinds = {
    same: () => "SELECT 'q' AS queue, count(*) AS waiting FROM jobs",
    own: (i: number) => `SELECT 'q' AS queue, count(*) AS waiting FROM jobs WHERE n > ${i}`,
  };
  const rows: string[][] = [];
  for (const [kind, textOf] of Object.entries(kinds)) {
    const queries = Array.from({ length: count }, (_, i) => scaler.query.parse({ query: textOf(i), queue: "q" }));
    const times: number[] = [];
    for (let round = 0; round < (quick ? 5 : 30); round++) {
      const began = performance.now();
      for (const result of await scaler.read(session.client, queries, soon())) countOf(result);
      times.push(performance.now() - began);
    }
    rows.push([`${title}, ${count}, ${kind}`, ...[median(times), quantile(times, 0.95)].map(digits)]);
  }
  return rows;
}
