import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { pool, streamOf } from "../faults/support/pools.ts";
import { calm, heldDuring } from "../faults/support/scenario.ts";
import { setStage } from "../faults/support/stage.ts";
import { needsRedis7 } from "../support/redis-version.ts";
import { waitFor } from "../support/wait.ts";

const onMain = { connection: "main" } as const;
const list = pool("list", { kind: "list", max: 5, waitingPerReplica: 1 });

/** What the script of one list answers: its nonce, the time that it took, and three. */
const three = /(\*3\r\n\$\d+\r\n[^\r]+\r\n:\d+\r\n):3\r\n/;
const instead = (answer: string) => (piece: Buffer) =>
  Buffer.from(piece.toString("latin1").replace(three, `$1${answer}\r\n`), "latin1");

suite("Numbers that make no sense, and what nobody pushes or tells", { concurrency: 3 }, () => {
  test("a count that is negative, no number, endless or broken is invalid, and holds (row 54)", async () => {
    await using stage = await setStage({ pools: [list, calm] });
    await stage.settles("list", 3);
    await stage.fault({ fault: "odd numbers", ...onMain }, async () => {
      for (const answer of [":-3", ":9007199254740993", ",nan", ",inf", ",-inf", ",-0.5", "_", "#t"]) {
        await stage.proxy.set({ kind: "edit", edit: instead(answer) });
        await stage.sees("list", "invalid");
        await stage.proxy.set({ kind: "pass" });
        await stage.sees("list", undefined);
      }
    });
    await stage.settles("list", 3);
    heldDuring(await stage.judge(), "odd numbers", ["list"]);
  });

  test("a count that is huge leads to the maximum and not beyond, and back (row 54)", async () => {
    await using stage = await setStage({ pools: [list, calm] });
    await stage.settles("list", 3);
    await stage.fault({ fault: "huge numbers", ...onMain }, async () => {
      await stage.proxy.set({ kind: "edit", edit: instead(":900000000000") });
      await stage.settles("list", 5);
      await stage.proxy.set({ kind: "pass" });
    });
    await stage.settles("list", 3);
    await stage.judge();
  });

  test("what a group of a stream takes, finishes and forgets is pushed by nobody, and the interval finds it (row 55)", {
    skip: needsRedis7,
  }, async () => {
    const stream = pool("stream", { kind: "stream", max: 5, waitingPerReplica: 1, everyMs: 500 });
    const key = streamOf("stream");
    await using stage = await setStage({ pools: [stream, calm] });
    await stage.settles("stream", 3);
    await stage.fault({ fault: "XREADGROUP and XACK", ...onMain, readable: true }, async () => {
      const taken = await stage.admin.xReadGroup("workers", "c", { key, id: ">" }, { COUNT: 3 });
      const ids = (taken as { messages: { id: string }[] }[])[0]?.messages.map(({ id }) => id) ?? [];
      assert.equal(ids.length, 3);
      await stage.admin.xAck(key, "workers", ids);
      await stage.settles("stream", 0);
    });
    await stage.fault({ fault: "XGROUP SETID", ...onMain, readable: true }, async () => {
      await stage.admin.xGroupSetId(key, "workers", "0");
      await stage.settles("stream", 3);
    });
    await stage.judge();
  });

  test("when nobody tells who is busy any more, nobody goes; when it is told again, the idle go (row 65)", async () => {
    await using stage = await setStage({ pools: [pool("mails", { min: 0 }), calm], constants: { duplicates: "fail" } });
    const [long, short] = [join(stage.dir, "long"), join(stage.dir, "short")];
    await stage.enqueue("mails", 1, 0, { until: long });
    await stage.enqueue("mails", 5, 0, { until: short });
    await stage.busy(3);
    await stage.fault({ fault: "no CLIENT LIST", ...onMain, readable: true }, async () => {
      await stage.admin.sendCommand(["ACL", "SETUSER", "worktide", "-client|list"]);
      const from = Date.now() + 1000; // who is there is asked for a few times a second, and kept for that long
      const readAt = async () => Date.parse((await stage.trigger("mails"))?.readAt ?? "");
      await waitFor("a reading without it", async () => (await readAt()) > from);
      await writeFile(short, ""); // from now on two of three have nothing to do
      await pause(4000);
      assert.equal(stage.processes("mails").length, 3);
      await stage.admin.sendCommand(["ACL", "SETUSER", "worktide", "+client|list"]);
    });
    await stage.settles("mails", 1);
    await writeFile(long, "");
    await stage.drained();
    await stage.settles("mails", 0);
    heldDuring(await stage.judge(), "no CLIENT LIST", ["mails"]);
  });
});
