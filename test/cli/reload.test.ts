import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { patienceMs, waitFor } from "../support/wait.ts";
import { type House, type Life, openHouse } from "./house.ts";

const inForce = "the edited file is in force";

describe("editing the file of a running worktide", { timeout: 600_000 }, () => {
  let house: House;
  let life: Life;
  let releaseFirst = async () => {};
  const edit = async (...documents: readonly string[]) => {
    const from = life.said.length;
    await house.write(house.connection(), ...documents);
    await life.says(inForce, patienceMs, from);
  };
  before(async () => {
    house = await openHouse();
    await house.write(house.connection(), house.pool(house.nameOf("first"), { max: 1 }));
    life = await house.run(["--log-format", "json"]);
  });
  after(() => house[Symbol.asyncDispose]());

  it("keeps the version before a broken edit, and says what is wrong, with line and column", async () => {
    const name = house.nameOf("first");
    const from = life.said.length;
    await house.write(house.connection(), house.pool(name, { max: 2 }).replace('"max": 2', '"max": "many"'));
    await life.says("the version before it stays in force", patienceMs, from);
    const said = life.said.slice(from).join("\n");
    assert.match(said, /worktide\.yaml:\d+:\d+: error: `spec\.replicas\.max` must be .*found 'many'/);
    assert.equal((await house.snapshot(life, name)).max, 1);
  });

  it("keeps it too when the file is gone, empty or cut short, and takes the next good one", async () => {
    const name = house.nameOf("first");
    releaseFirst = await house.hold(name, 1);
    await house.size(name, 1);
    for (const text of ["", '{"apiVersion": "worktide.dev/v1al']) {
      const from = life.said.length;
      await writeFile(house.file, text); // in place
      await life.says("the version before it stays in force", patienceMs, from);
    }
    const from = life.said.length;
    await house.remove();
    await life.says("the version before it stays in force", patienceMs, from);
    assert.equal(house.alive(name).length, 1);
    await edit(house.pool(name, { max: 2 }));
    assert.equal((await house.snapshot(life, name)).max, 2);
    assert.equal(house.alive(name).length, 1, "and the worker was not started anew");
  });

  it("starts a worker that is added, and ends one that is removed, with its jobs in hand first", async () => {
    const [first, second] = [house.nameOf("first"), house.nameOf("second")];
    await edit(house.pool(first, { max: 2 }), house.pool(second));
    const release = await house.hold(second, 2);
    await waitFor("its jobs in hand", () => house.inHand(second) === 2);
    const done = house.done(second);
    await edit(house.pool(first, { max: 2 }));
    assert.equal(house.alive(second).length, 2, "they have jobs in hand");
    assert.equal((await house.ask(["explain", second, "-f", house.file])).code, 1, "nobody knows it any more");
    await release();
    await house.size(second, 0);
    assert.equal(house.done(second), done + 2);
    assert.equal(house.alive(first).length, 1);
    await releaseFirst();
  });

  it("replaces workers whose command changed: the former ones finish their jobs, and none is left", async () => {
    const name = house.nameOf("changed");
    const env = { GENERATION: "1" };
    await edit(house.pool(name, { env }));
    const release = await house.hold(name, 2);
    await waitFor("jobs in hand", () => house.alive(name).length === 2 && house.inHand(name) >= 2);
    const former = new Set(house.alive(name));
    const done = house.done(name);
    await edit(house.pool(name, { env: { GENERATION: "2" } }));
    const releaseNew = await house.hold(name, 3);
    await waitFor("new ones at work", () => house.alive(name).filter((id) => !former.has(id)).length === 3);
    await Promise.all([release(), releaseNew()]);
    await waitFor("the former ones to be gone", () => !house.alive(name).some((id) => former.has(id)));
    await waitFor("all jobs", () => house.done(name) === done + 5);
    const ends = house.jobs().filter(({ kind }) => kind === "job.end");
    assert.equal(ends.filter(({ worker }) => former.has(worker)).length, 2, "the former ones took no more than they had");
    await house.size(name, 0);
  });

  it("takes over a protection that was edited, for workers that run already", async () => {
    const name = house.nameOf("protect");
    const target = (protect: string) => {
      const document = JSON.parse(house.pool(name));
      document.spec.target.process.stopGrace = "300ms";
      document.spec.scaleDown.protect = protect;
      return JSON.stringify(document);
    };
    await edit(target("grace"));
    const release = await house.hold(name, 1);
    await waitFor("a job in hand", () => house.alive(name).length === 1 && house.inHand(name) >= 1);
    const done = house.done(name);
    await edit(target("busy"));
    assert.equal(house.alive(name).length, 1, "no new process for it");
    await edit();
    await pause(1500); // past the grace
    await release();
    await house.size(name, 0);
    assert.equal(house.done(name), done + 1, "and not killed at the end of the grace");
  });

  it("ends all of them in good order", async () => {
    life.signal("SIGTERM");
    assert.equal(await life.exited, 0);
    assert.deepEqual(house.unfair(), []);
  });
});
