import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type House, openHouse } from "../cli/house.ts";
import { airflowWorkers, findAirflow, startAirflow, type TestAirflow } from "../support/airflow.ts";
import { skipWithoutPostgres, startPostgres } from "../support/postgresql.ts";
import { signalOne, type TestDatabase } from "../support/sql-server.ts";
import { waitFor } from "../support/wait.ts";

const example = join(import.meta.dirname, "..", "..", "examples", "airflow-celery");
const found = await findAirflow();
const skip = "missing" in found ? found.missing : await skipWithoutPostgres();
/** Airflow starts a worker in some 10 s where nothing else runs. */
const longMs = 400_000;

describe("the example of Airflow with Celery, on PostgreSQL and Redis", { skip, timeout: 840_000 }, () => {
  let house: House;
  let database: TestDatabase;
  let airflow: TestAirflow;
  const pools: string[] = [];
  before(async () => {
    house = await openHouse();
    database = await startPostgres(["max_connections=200"]);
    const home = join(house.folder, "airflow");
    await mkdir(home);
    const login = `worktide:${encodeURIComponent(database.password)}@127.0.0.1:${database.port}/shop`;
    airflow = await startAirflow({
      folder: home,
      dags: join(example, "dags"),
      modules: example,
      database: `postgresql://${login}`,
      broker: house.redis.url,
    });
    await waitFor("its DAGs", async () => Number((await database.sql("SELECT count(*) AS n FROM dag"))[0]?.["n"]) === 2, longMs);
  });
  after(async () => {
    await house.reap(); // worktide first, or it would start its workers again
    for (const name of pools) for (const group of airflowWorkers(name).values()) signalOne(-group, "SIGKILL");
    await airflow?.[Symbol.asyncDispose]();
    await house[Symbol.asyncDispose]();
    await database?.stop();
  });

  const journal = () => join(house.folder, "shop-journal");
  const lines = async () => (await readFile(journal(), "utf8").catch(() => "")).split("\n").filter((line) => line !== "");
  const done = async (prefix: string) => (await lines()).filter((line) => line.startsWith(prefix)).length;
  const alive = (name: string) => airflowWorkers(name).size;
  const sized = (name: string, size: number) =>
    waitFor(`${size} workers of ${name}`, () => alive(name) === size, longMs).catch(async (cause: unknown) => {
      throw new Error(`${String(cause)}; tasks: ${JSON.stringify(await taskStates())}`);
    });
  const taskStates = () =>
    database.sql("SELECT state, max(try_number) AS tries, count(*) AS n FROM task_instance GROUP BY state");
  const begin = async (name: string, edit: (text: string) => string = (text) => text) => {
    pools.push(name);
    const text = await readFile(join(example, "worktide.yaml"), "utf8");
    await house.write(edit(text).replace("name: airflow-workers", `name: ${name}`));
    return house.run(["--state", join(house.folder, name)], {
      ...airflow.env,
      SHOP_JOURNAL: journal(),
      SHOP_HOLD: join(house.folder, "release"),
    });
  };

  it("grows real workers from none with a burst, keeps the one with the long task alone, and ends with none", async () => {
    const name = house.nameOf("airflow-workers");
    const life = await begin(name);
    assert.equal(alive(name), 0);
    await airflow.airflow("dags", "trigger", "nightly");
    await airflow.airflow("dags", "trigger", "burst");
    await sized(name, 3);
    await waitFor("all mails", async () => (await done("mail-")) === 16, longMs);
    assert.equal(await done("step-"), 0, "the first step waits for its release");
    await sized(name, 1);
    assert.equal(await done("step-"), 0, "and its worker was spared");
    await writeFile(join(house.folder, "release"), "");
    await waitFor("all steps", async () => (await done("step-")) === 3, longMs);
    await sized(name, 0);
    const all = await lines();
    assert.equal(new Set(all.map((line) => line.split(" ")[0])).size, 19);
    assert.equal(all.length, 19, "none ran twice");
    assert.ok(
      all.every((line) => line.includes(` ${name}-`)),
      "each on a worker that has the name of its process",
    );
    await waitFor("the scheduler to have heard of all", async () => {
      const states = await taskStates();
      return states.length === 1 && states[0]?.["state"] === "success";
    });
    assert.deepEqual(await taskStates(), [{ state: "success", tries: 1, n: "19" }]);
    assert.deepEqual(await database.sql("SELECT DISTINCT state FROM dag_run"), [{ state: "success" }]);
    life.signal("SIGTERM");
    assert.equal(await life.exited, 0);
  });

  it("does the same by the database alone, without heartbeats", async () => {
    const name = house.nameOf("by-database");
    const life = await begin(name, withoutHeartbeats);
    assert.equal(alive(name), 0);
    await airflow.airflow("dags", "trigger", "burst");
    await sized(name, 3);
    await waitFor("all mails", async () => (await done("mail-")) === 32, longMs);
    await sized(name, 0);
    await waitFor("the scheduler to have heard of all", async () => (await taskStates()).length === 1);
    assert.deepEqual(await taskStates(), [{ state: "success", tries: 1, n: "35" }]);
    life.signal("SIGTERM");
    assert.equal(await life.exited, 0);
  });
});

/** The example's document without its second trigger. */
function withoutHeartbeats(text: string): string {
  const start = text.indexOf("    # Heartbeats");
  const end = text.indexOf("  scaleDown:");
  assert.ok(start > 0 && end > start);
  return text.slice(0, start) + text.slice(end);
}
