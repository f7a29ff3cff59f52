import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { airflow } from "../../scalers/airflow.ts";
import { mysqlBroker } from "../../src/brokers/mysql.ts";
import { postgresBroker } from "../../src/brokers/postgresql.ts";
import type { SqlReader } from "../../src/brokers/sql-client.ts";
import type { Session } from "../../src/core/contract.ts";
import { testScaler } from "../conformance/scaler.ts";
import { airflowTables, airflowWorld } from "../support/airflow-tables.ts";
import { skipWithoutMaria, startMaria } from "../support/mariadb.ts";
import { skipWithoutPostgres, startPostgres } from "../support/postgresql.ts";
import { readingOf } from "../support/reading.ts";
import type { TestDatabase } from "../support/sql-server.ts";

const withoutPostgres = await skipWithoutPostgres();
const withoutMaria = await skipWithoutMaria();
const soon = () => AbortSignal.timeout(30_000);

testScaler({
  title: "airflow, of 3.x on PostgreSQL",
  scaler: airflow,
  broker: postgresBroker,
  skip: withoutPostgres,
  start: async () => airflowWorld(await startPostgres(), "3"),
});
testScaler({
  title: "airflow, of 2.9 on MariaDB",
  scaler: airflow,
  broker: mysqlBroker,
  skip: withoutMaria,
  start: async () => airflowWorld(await startMaria(), "2.9"),
});

const databases = [
  { title: "PostgreSQL", broker: postgresBroker, skip: withoutPostgres, start: () => startPostgres() },
  // Airflow writes its times in UTC, whatever the server's own zone is.
  { title: "MariaDB", broker: mysqlBroker, skip: withoutMaria, start: () => startMaria(["--default-time-zone=-05:00"]) },
] as const;

for (const { title, broker, skip, start } of databases) {
  describe(`tasks of Airflow on ${title}`, { skip }, () => {
    let server: TestDatabase;
    let tables: Awaited<ReturnType<typeof airflowTables>>;
    let session: Session<SqlReader>;
    before(async () => {
      server = await start();
      tables = await airflowTables(server, "3");
      const settings = { ...broker.settings.parse({ url: server.url }), password: server.password };
      session = await broker.open(settings as never, soon());
    });
    after(async () => {
      session.destroy();
      await server.stop();
    });
    beforeEach(async () => {
      await server.sql("DELETE FROM task_instance", `DELETE FROM ${tables.trigger}`, "DELETE FROM job");
    });
    const read = (query: object = {}) =>
      readingOf(async () => (await airflow.read(session.client, [airflow.query.parse(query) as never], soon()))[0]);

    it("count where they are queued or occupy a slot, and nowhere else", async () => {
      const states = ["scheduled", "deferred", "success", "failed", "up_for_retry", "up_for_reschedule", "removed", "skipped"];
      await tables.add(...states.map((state) => ({ state })), { state: "queued", queuedS: 90 }, { state: "queued", queuedS: 30 });
      await tables.add({ state: "running", host: "a" }, { state: "restarting", host: "a" });
      const { waiting, running, oldestMs = 0 } = await read();
      assert.deepEqual([waiting, running], [2, 2]);
      assert.ok(oldestMs >= 89_000 && oldestMs < 150_000, String(oldestMs));
    });

    it("count for the queues of the pool only: a count without queues would grow every pool for all", async () => {
      await tables.add({ state: "queued" }, { state: "queued", queue: "reports" }, { state: "running", queue: "gpu", host: "g" });
      assert.equal((await read()).waiting, 1);
      const both = await read({ queues: ["reports", "gpu"] });
      assert.deepEqual([both.waiting, both.running, both.workers?.map(({ id }) => id)], [1, 1, ["g"]]);
      // CeleryKubernetesExecutor runs a queue of its own in pods, and marks its tasks by nothing else.
      await tables.add({ state: "queued", queue: "kubernetes" }, { state: "running", queue: "kubernetes", host: "pod" });
      assert.deepEqual([(await read()).waiting, (await read()).running], [1, 0]);
    });

    it("belong to an executor by class, path or alias, or to the first where they name none", async () => {
      const path = "airflow.providers.celery.executors.celery_executor.CeleryExecutor";
      const executors = [undefined, "CeleryExecutor", path, "KubernetesExecutor", "celery", "MyCeleryExecutor"];
      await tables.add(...executors.map((executor) => ({ state: "queued", ...(executor && { executor }) })));
      assert.equal((await read()).waiting, 3);
      assert.equal((await read({ unnamedExecutor: false })).waiting, 2);
      assert.equal((await read({ executors: ["CeleryExecutor", "celery"] })).waiting, 4);
      assert.equal((await read({ executors: ["KubernetesExecutor"], unnamedExecutor: false })).waiting, 1);
    });

    it("name who is busy; the others are idle only once none waits, for one may have been fetched and not begun", async () => {
      await tables.add({ state: "running", host: "mails-1.workers" }, { state: "running", host: "mails-1.workers" });
      await tables.add({ state: "running", host: "mails-2" });
      const idle = await read();
      assert.deepEqual(idle.workers?.map(({ id, host, busy }) => [id, host, busy]).sort(), [
        ["mails-1.workers", "mails-1", 2],
        ["mails-2", undefined, 1],
      ]);
      assert.equal(idle.othersIdle, true);
      await tables.add({ state: "queued" });
      assert.equal((await read()).othersIdle, undefined);
    });

    it("that run nowhere yet are claimed by nobody, so nobody is proven idle", async () => {
      await tables.add({ state: "running", host: "" }, { state: "running", host: "a" });
      const { running, workers } = await read();
      assert.deepEqual([running, workers?.map(({ id, busy }) => [id, busy])], [2, [["a", 1]]]);
    });

    it("have triggers while they are deferred: held by a triggerer that shows itself, or waiting", async () => {
      const empty = await read({ count: "Triggers" });
      assert.deepEqual([empty.waiting, empty.running, empty.workers], [0, 0, undefined]);
      await server.sql(
        `INSERT INTO job (id, state, hostname, latest_heartbeat) VALUES (1, 'running', 't-1', ${tables.ago(5)}), (2, 'running', 't-2', ${tables.ago(900)}), (3, 'success', 't-3', ${tables.ago(1)})`,
        `INSERT INTO ${tables.trigger} (classpath, triggerer_id) VALUES ('a', 1), ('a', 1), ('a', 2), ('a', 3), ('a', NULL)`,
      );
      const { waiting, running } = await read({ count: "Triggers" });
      assert.deepEqual([waiting, running], [3, 2]);
    });

    it("are unknown where there is no Airflow, and one query serves all triggers of a connection", async () => {
      let asked = 0;
      const counting: SqlReader = {
        dialect: session.client.dialect,
        ask: (texts, signal) => {
          asked += new Set(texts).size;
          return session.client.ask(texts, signal);
        },
      };
      const queries = Array.from({ length: 200 }, (_, i) => airflow.query.parse({ queues: [`q-${i}`] }) as never);
      assert.equal((await airflow.read(counting, queries, soon())).length, 200);
      assert.equal(asked, 1);
      await server.sql("ALTER TABLE task_instance RENAME TO elsewhere");
      const [result] = await airflow.read(session.client, queries.slice(0, 1), soon());
      await server.sql("ALTER TABLE elsewhere RENAME TO task_instance");
      assert.ok(result && "problem" in result);
      assert.equal(result.problem.kind, "missing");
    });
  });
}
