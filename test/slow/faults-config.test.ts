import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { listOf, pool } from "../faults/support/pools.ts";
import { calm } from "../faults/support/scenario.ts";
import { type Stage, setStage } from "../faults/support/stage.ts";
import { waitFor } from "../support/wait.ts";

const list = pool("list", { kind: "list", max: 5, waitingPerReplica: 1 });

const says = (stage: Stage, text: string) =>
  waitFor(`worktide to say "${text}"`, () => stage.life().said.some((line) => line.includes(text)));

suite("The file is edited, and not always well", { concurrency: 3 }, () => {
  test("an edit with a mistake keeps the version before it, names the place, and the next good one counts (row 70)", async () => {
    await using stage = await setStage({ pools: [list, calm] });
    await stage.settles("list", 3);
    const good = stage.text();
    for (const [bad, named] of [
      [good.replace('"max": 5', '"max": -5'), "replicas.max"],
      [good.replace('"max": 5', '"maximum": 5'), "maximum"],
      [good.replace('"min": 0', '"min": 9'), "min"],
      [good.slice(0, good.length / 2), "worktide.yaml:"],
      [good.replace('"connection": "main"', '"connection": "nowhere"'), "nowhere"],
    ] as const) {
      assert.notEqual(bad, good);
      const before = stage.life().said.length;
      await stage.write(bad);
      for (const words of ["the version before it stays in force", named]) {
        const said = () => stage.life().said.slice(before);
        await waitFor(`it to say ${words}`, () => said().some((line) => line.includes(words)));
      }
      assert.equal(stage.processes("list").length, 3);
    }
    await stage.edit([{ ...list, max: 2 }, calm]);
    await stage.settles("list", 2);
    await stage.judge();
  });

  test("limits that change while a burst is under way hold from then on (row 71)", async () => {
    const mails = pool("mails", { max: 4 });
    await using stage = await setStage({ pools: [mails, calm] });
    await stage.occupied("mails", 24, 400);
    await stage.edit([{ ...mails, max: 2 }, calm]);
    await stage.drained();
    await stage.settles("mails", 0);
    await stage.judge();
  });

  test("paused: nothing moves in either direction; resumed: it goes on, and the pause outlives a restart (row 72)", async () => {
    await using stage = await setStage({ pools: [list, calm] });
    await stage.settles("list", 3);
    await stage.edit([{ ...list, pause: { directions: "Both", reason: "a drill" } }, calm]);
    await stage.admin.rPush(listOf("list"), ["4", "5"]);
    await pause(1500);
    assert.equal(stage.processes("list").length, 3);
    await stage.killAndRestart();
    await pause(2500);
    assert.equal(stage.processes("list").length, 3, "paused after a restart too, and not at zero");
    await stage.edit([list, calm]);
    await stage.settles("list", 5);
    await stage.judge();
  });

  test("observing changes nothing", async () => {
    await using stage = await setStage({ pools: [{ ...list, mode: "Observe" }, calm] });
    await stage.settles("calm", 1);
    await waitFor("a decision", async () => (await stage.snapshot("list")).decision?.to === 3);
    assert.equal(stage.processes("list").length, 0);
    await stage.judge();
  });

  test("one dead address among many good pools harms none of them (row 26)", async () => {
    const goods = Array.from({ length: 10 }, (_, index) => pool(`good-${index}`, { kind: "list", connection: "steady", max: 1 }));
    await using stage = await setStage({ pools: [list, ...goods, calm] });
    await stage.settles("list", 3);
    await stage.fault({ fault: "hole", connection: "main", outage: true }, async () => {
      await stage.proxy.set({ kind: "hole" });
      await stage.sees("list", "timeout");
      await pause(4000);
      await stage.proxy.set({ kind: "pass" });
    });
    await stage.sees("list", undefined);
    await stage.judge();
  });

  test("a name that cannot be resolved harms nobody else (row 30)", async () => {
    await using stage = await setStage({ pools: [list, calm] });
    await stage.settles("list", 3);
    await stage.fault({ fault: "DNS", connection: "main" }, async () => {
      const good = stage.text();
      await stage.write(good.replace(`redis://127.0.0.1:${stage.proxy.port}`, "redis://no-such-host.invalid:6379"));
      await stage.sees("list", "unreachable");
      await pause(3000);
      assert.equal(stage.processes("list").length, 3);
      await stage.write(good);
      await stage.sees("list", undefined);
    });
    await stage.judge();
  });

  test("a secret that is missing is a named problem, never an anonymous login (row 73)", async () => {
    await using stage = await setStage({ pools: [list, calm] });
    await stage.settles("list", 3);
    await stage.fault({ fault: "secret", connection: "main" }, async () => {
      const good = stage.text();
      await stage.write(good.replace("WORKTIDE_TEST_PASSWORD", "WORKTIDE_TEST_NOTHING"));
      await says(stage, "in force");
      await waitFor("the problem", async () => (await stage.trigger("list"))?.problem !== undefined);
      await pause(1500);
      const clients = String(await stage.admin.sendCommand(["CLIENT", "LIST"]));
      assert.doesNotMatch(clients, /name=worktide.*user=default/);
      assert.equal(stage.processes("list").length, 3);
      await stage.write(good);
      await stage.sees("list", undefined);
    });
    await stage.judge();
  });
});
