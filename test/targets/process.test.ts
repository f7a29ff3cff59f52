import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { groupLivesWithoutLeader, processes } from "../../src/targets/process-identity.ts";
import { expand } from "../../src/targets/process-start.ts";
import { READY_MS } from "../../src/targets/process-worker.ts";
import { clock, createRig, signal, until } from "./rig.ts";

describe("a pool of processes", () => {
  it("grows from 0 to 20 in one step, each worker with a name and a process group of its own", async (t) => {
    const { target, grow, staying, events } = await createRig(t, { script: "worker.mjs" });
    const began = clock();
    await grow(20);
    assert.equal(target.pool().existing, 20);
    assert.equal(new Set(staying()).size, 20);
    for (const id of staying()) assert.match(id, /^mails-([1-9]|1\d|20)-[0-9a-f]{4}$/);
    const pids = events("started").map(({ pid }) => pid ?? 0);
    assert.deepEqual(
      processes(pids).map(({ group }) => group),
      pids,
    );
    const ready = target.pool().ready;
    assert.ok(ready === 0 || clock() - began >= READY_MS, `${ready} ready at once`);
    await until("all are ready", () => target.pool().ready === 20);
  });

  it("fills its names into arguments and environment, and leaves every other ${X} alone", async (t) => {
    const { grow, staying, logOf } = await createRig(t, {
      script: "worker.mjs",
      args: ["--name=${WORKTIDE_WORKER_ID}@${HOME}", "${WORKTIDE_POOL}", "$(id)"],
      env: { ...process.env, WORKTIDE_POOL: "of somebody else" },
    });
    await grow(1);
    const id = staying()[0] ?? "";
    await until("it spoke", () => logOf(id).includes("tick"));
    assert.match(logOf(id), new RegExp(`^up ${id} of mails --name=${id}@\\$\\{HOME\\} mails \\$\\(id\\)\n`));
    assert.equal(expand("${constructor}${A}", { A: "1" }), "${constructor}1");
  });

  it("is called by its command, short and without what may be a secret in it", async (t) => {
    const args = ["--password=CANARY", "--token", "CANARY", "redis://u:CANARY@h", "x".repeat(100)];
    const { target } = await createRig(t, { script: "worker.mjs", spec: { command: ["./w.sh", ...args] } });
    assert.match(target.title, /^process \.\/w\.sh --password=\*\*\* --token \*\*\* redis:\/\/\*\*\*@h x+…$/);
    assert.equal(target.title.length, 80);
  });

  it("removes exactly those that it is told to remove", async (t) => {
    const { target, grow, staying, events } = await createRig(t, { script: "worker.mjs" });
    await grow(5);
    const ids = staying();
    const remove = [ids[3], ids[0]] as string[];
    assert.deepEqual(await target.apply({ from: 5, to: 3, remove, decision: "test" }, signal), { size: 3 });
    assert.deepEqual(staying(), [ids[1], ids[2], ids[4]]);
    await until("two are gone", () => target.pool().leaving === 0);
    assert.deepEqual(
      events("exited")
        .map(({ id }) => id)
        .toSorted(),
      remove.toSorted(),
    );
    assert.equal(target.pool().wanted, 3);
  });

  it("keeps a larger size when fewer may be removed, and touches no other", async (t) => {
    const { target, grow, staying } = await createRig(t, { script: "worker.mjs" });
    await grow(4);
    const ids = staying();
    const applied = await target.apply({ from: 4, to: 0, remove: [ids[2] ?? "", "mails-9-dead"], decision: "test" }, signal);
    assert.equal(applied.size, 3);
    assert.match(applied.note ?? "", /0 asked for, 3 kept/);
    assert.equal(staying().length, 3);
  });

  it("never removes more than the step that was decided, whatever the list says", async (t) => {
    const { target, grow, staying } = await createRig(t, { script: "worker.mjs" });
    await grow(4);
    await target.apply({ from: 4, to: 3, remove: staying(), decision: "test" }, signal);
    assert.equal(staying().length, 3);
  });

  it("without a list removes those known to hold no job first, of them the newest", async (t) => {
    const free = new Set<string>();
    const { target, grow, staying } = await createRig(t, { script: "worker.mjs", holdsJob: (id) => !free.has(id) });
    await grow(4);
    const ids = staying();
    free.add(ids[1] ?? "");
    await target.apply({ from: 4, to: 2, decision: "test" }, signal);
    assert.deepEqual(staying(), [ids[0], ids[2]]);
  });

  it("starts new ones while others are still leaving", async (t) => {
    const { target, grow, staying, logOf } = await createRig(t, { script: "stubborn.mjs", spec: { stopGraceMs: 60_000 } });
    await grow(2);
    await until("they ignore signals", () => staying().every((id) => logOf(id).includes("up")));
    const before = staying();
    await target.apply({ from: 2, to: 0, remove: before, decision: "test" }, signal);
    await grow(2);
    assert.equal(target.pool().existing, 2);
    assert.equal(target.pool().leaving, 2);
    assert.equal(staying().filter((id) => before.includes(id)).length, 0);
  });

  it("tells of changes at most once a turn", async (t) => {
    const { target } = await createRig(t, { script: "worker.mjs" });
    await nextTurn();
    let told = 0;
    target.onChange(() => told++);
    await Promise.all([1, 2, 3].map((to) => target.apply({ from: 0, to, decision: "test" }, signal)));
    await nextTurn();
    await nextTurn();
    assert.equal(told, 1);
  });

  it("stops all when disposed of, says whom it waits for, and leaves no state behind", async (t) => {
    const { target, grow, said, stateDir, events } = await createRig(t, {
      script: "worker.mjs",
      holdsJob: (id) => id.startsWith("mails-1-"),
    });
    await grow(3);
    await until("all are ready", () => target.pool().ready === 3);
    await target[Symbol.asyncDispose]();
    assert.equal(events("exited").length, 3);
    assert.equal(said.includes("waiting for 3 workers, 1 with a job in hand"), true, said.join("\n"));
    assert.equal(existsSync(join(stateDir, "pools", "mails.json")), false);
  });

  it("gives the stop signal to what a wrapper left behind, and counts it as leaving until it is gone", async (t) => {
    const { target, grow, staying, logOf, events } = await createRig(t, {
      script: "wrapper.mjs",
      args: [new URL("fixtures/worker.mjs", import.meta.url).pathname],
    });
    await grow(1);
    const id = staying()[0] ?? "";
    await until("the real worker works", () => logOf(id).includes("tick 3"));
    await target.apply({ from: 1, to: 0, remove: [id], decision: "test" }, signal);
    await until("all of it is gone", () => target.pool().leaving === 0);
    const pid = events("started")[0]?.pid ?? 0;
    assert.equal(groupLivesWithoutLeader(pid), false);
    assert.equal(processes([Number(/child (\d+)/.exec(logOf(id))?.[1])]).filter((row) => !row.dead).length, 0);
    assert.deepEqual(events("killed"), []);
  });
});
