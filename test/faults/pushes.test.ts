import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { waitFor } from "../support/wait.ts";
import { listOf, pool } from "./support/pools.ts";
import { calm } from "./support/scenario.ts";
import { setStage } from "./support/stage.ts";

const onMain = { connection: "main" } as const;
/** Read so seldom that only a push can bring news in time. */
const seldom = pool("seldom", { kind: "list", max: 3, waitingPerReplica: 1, everyMs: 300_000 });

suite("Wake-ups are hints: lost ones cost time, never the truth", { concurrency: 3 }, () => {
  test("after our connection was killed, pushes are armed again (rows 56, 75)", async () => {
    await using stage = await setStage({ pools: [seldom, calm] });
    await stage.settles("seldom", 3);
    for (let round = 0; round < 3; round++) {
      await stage.fault({ fault: "CLIENT KILL", ...onMain, readable: true }, async () => {
        await stage.admin.sendCommand(["CLIENT", "KILL", "USER", "worktide"]);
      });
      await waitFor(
        "a new connection",
        async () => stage.proxy.open() === 1 && (await stage.trigger("seldom"))?.problem === undefined,
      );
      const before = Number((await stage.trigger("seldom"))?.waiting);
      await stage.admin.rPush(listOf("seldom"), "more");
      await waitFor("the push", async () => (await stage.trigger("seldom"))?.waiting === before + 1);
    }
    await stage.judge();
  });

  test("what is put in while the connection is down is seen when it is up, without waiting for the interval (row 56)", async () => {
    await using stage = await setStage({ pools: [seldom, calm] });
    await stage.settles("seldom", 3);
    await stage.fault({ fault: "refused", ...onMain, outage: true }, async () => {
      await stage.proxy.set({ kind: "refuse" });
      stage.proxy.cut();
      await stage.sees("seldom", "unreachable");
      await stage.admin.rPush(listOf("seldom"), ["4", "5"]);
      await stage.proxy.set({ kind: "pass" });
    });
    await waitFor("the truth", async () => (await stage.trigger("seldom"))?.waiting === 5);
    await stage.judge();
  });

  test("a database that is swapped pushes nothing, and the interval finds it (row 56)", async () => {
    await using stage = await setStage({ pools: [{ ...seldom, everyMs: 1000, max: 5 }, calm] });
    await stage.settles("seldom", 3);
    const other = stage.admin.duplicate();
    await other.connect();
    await other.select(1);
    await other.rPush(listOf("seldom"), ["1", "2", "3", "4", "5"]);
    other.destroy();
    await stage.fault({ fault: "SWAPDB", ...onMain, readable: true }, async () => {
      await stage.admin.sendCommand(["SWAPDB", "0", "1"]);
    });
    await stage.settles("seldom", 5);
    await stage.judge();
  });

  test("many pools over one flapping address keep one connection (row 15)", async () => {
    const many = Array.from({ length: 12 }, (_, index) => pool(`pool-${index}`, { kind: "list", max: 1, waitingPerReplica: 10 }));
    await using stage = await setStage({ pools: [...many, calm], constants: { clients: 2 } });
    await stage.settles("pool-11", 1);
    await stage.fault({ fault: "flapping", ...onMain, readable: true }, async () => {
      for (let round = 0; round < 10; round++) {
        stage.proxy.cut();
        await pause(300);
      }
    });
    await waitFor("all to be known", async () => (await stage.trigger("pool-11"))?.problem === undefined);
    const { lines } = await stage.judge();
    const most = Math.max(...lines.map((line) => (line.kind === "clients" ? line.count : 0)));
    assert.ok(most <= 2, `${most} connections at once`);
  });
});
