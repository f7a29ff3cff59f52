import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { airflow } from "../../scalers/airflow.ts";
import { postgresBroker } from "../../src/brokers/postgresql.ts";
import type { Reading } from "../../src/core/contract.ts";
import { findAirflow } from "../support/airflow.ts";
import { skipWithoutPostgres, startPostgres } from "../support/postgresql.ts";
import { readingOf } from "../support/reading.ts";

const run = promisify(execFile);
const found = await findAirflow(2);
const skip = "missing" in found ? found.missing : await skipWithoutPostgres();
const script = join(import.meta.dirname, "..", "support", "airflow_2_tasks.py");
const soon = () => AbortSignal.timeout(30_000);

test("Airflow 2.11 is read from the tables that its own migrations made, with tasks that its own models wrote", {
  skip,
}, async () => {
  const { bin } = found as { bin: string };
  await using server = await startPostgres();
  const home = await mkdtemp(join(tmpdir(), "worktide-airflow-2-"));
  await using undo = new AsyncDisposableStack();
  undo.defer(() => rm(home, { recursive: true, force: true }));
  const login = `worktide:${encodeURIComponent(server.password)}@127.0.0.1:${server.port}/shop`;
  const env = {
    ...process.env,
    AIRFLOW_HOME: home,
    AIRFLOW__CORE__LOAD_EXAMPLES: "False",
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN: `postgresql+psycopg2://${login}`,
  };
  const python = async (words: readonly string[], input = "") => {
    const running = run(join(bin, "python"), words, { env, timeout: 240_000, maxBuffer: 16 << 20 });
    running.child.stdin?.end(input);
    await running;
  };
  await python(["-m", "airflow", "db", "migrate"]);
  const settings = { ...postgresBroker.settings.parse({ url: server.url }), password: server.password };
  const session = await postgresBroker.open(settings as never, soon());
  undo.defer(() => session.destroy());
  const read = (query: object): Promise<Reading> =>
    readingOf(async () => (await airflow.read(session.client, [airflow.query.parse(query) as never], soon()))[0]);
  const counts = ({ waiting, running, workers = [] }: Reading) => [waiting, running, workers.map(({ id }) => id).sort()];
  assert.deepEqual(counts(await read({})), [0, 0, []], "a database without a task");

  const tasks = [
    { queue: "default", state: "queued", queuedS: 60 },
    { queue: "default", state: "queued", queuedS: 20, executor: "CeleryExecutor" },
    { queue: "default", state: "queued", executor: "KubernetesExecutor" },
    { queue: "default", state: "running", host: "worker-1" },
    { queue: "default", state: "scheduled" },
    { queue: "default", state: "success", host: "worker-2" },
    { queue: "reports", state: "queued" },
    { queue: "reports", state: "running", host: "worker-3" },
    { queue: "reports", state: "restarting", host: "worker-3" },
  ];
  await python([script], JSON.stringify({ tasks, triggers: 3, heldTriggers: 1 }));
  const usual = await read({});
  assert.deepEqual(counts(usual), [2, 1, ["worker-1"]]);
  assert.ok((usual.oldestMs ?? 0) >= 60_000, String(usual.oldestMs));
  assert.deepEqual(counts(await read({ queues: ["reports"] })), [1, 2, ["worker-3"]]);
  const { waiting, running } = await read({ count: "Triggers" });
  assert.deepEqual([waiting, running], [2, 1]);
});
