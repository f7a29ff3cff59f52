import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { backlog, fill, outlivesScaleDown } from "../faults/cluster/support/backlog.ts";
import { setClusterStage } from "../faults/cluster/support/stage.ts";
import { pool } from "../faults/support/pools.ts";
import { seedOf } from "../faults/support/seed.ts";
import type { Access } from "../support/cluster/access.ts";
import { noControlPlane } from "../support/control-plane.ts";
import { sharedControlPlane } from "../support/shared-control-plane.ts";

const strict = { duplicates: "fail" } as const;

suite("Controllers that fail, and pools that they must not harm", { skip: await noControlPlane(), concurrency: 2 }, () => {
  let plane: Access;
  before(async () => {
    plane = await sharedControlPlane();
  });
  after(() => plane?.[Symbol.asyncDispose]());

  test("the leader is stopped in the midst of its writes, for longer than its Lease, and goes on (rows 11, 34, 35, 97)", async (t) => {
    const { seed, random } = seedOf();
    t.diagnostic(`seed ${seed}`);
    await using stage = await setClusterStage(plane, { pools: [backlog] });
    const first = await stage.start();
    await first.leads();
    const second = await stage.start();
    await stage.settles("backlog", 3);
    const put = stage.admin.rPush("backlog:backlog", fill(3));
    await pause(random() * 25);
    await stage.fault({ fault: "SIGSTOP" }, async () => {
      first.signal("SIGSTOP");
      await put;
      await second.leads();
      await stage.size("backlog", 6);
      await stage.admin.rPush("backlog:backlog", ["7"]);
      first.signal("SIGCONT");
      await stage.size("backlog", 7);
      await first.says('"msg":"stands by"');
    });
    await stage.settles("backlog", 7);
    await stage.judge();
  });

  test("the leader is killed in the midst of a scale-down, and the other one goes on with what it knows (rows 3, 38)", async (t) => {
    const { seed, random } = seedOf();
    t.diagnostic(`seed ${seed}`);
    await using stage = await setClusterStage(plane, { pools: [pool("mails", { min: 1, max: 4 })] });
    const first = await stage.start();
    await first.leads();
    await stage.start();
    await stage.occupied("mails", 8, 300);
    await stage.enqueue("mails", 1, 4_000);
    await stage.drained();
    await pause(random() * 1_500);
    await stage.fault({ fault: "SIGKILL", process: "kill" }, async () => {
      await first.end("SIGKILL");
      await stage.settles("mails", 1);
    });
    await stage.judge();
  });

  test("rotated, and all connections are cut: the new password is used at once, and neither is told (rows 27, 74)", async () => {
    await using stage = await setClusterStage(plane, { pools: [backlog] });
    await stage.start();
    await stage.settles("backlog", 3);
    const next = `r0t4ted/${crypto.randomUUID()}`;
    await stage.fault({ fault: "rotated", connection: "main" }, async () => {
      await stage.admin.aclSetUser("worktide", ["resetpass", `>${next}`]);
      stage.proxy.cut();
      await stage.admin.rPush("backlog:backlog", ["4", "5"]);
      await stage.wait("the refusal", async () => JSON.stringify((await stage.get("backlog")).status).includes("WRONGPASS"));
      assert.equal(await stage.replicas("backlog"), 3);
      await plane.request("PATCH", `${stage.paths.core}/secrets/redis`, { stringData: { password: next } });
      await stage.size("backlog", 5);
    });
    await stage.settles("backlog", 5);
    const { lines } = await stage.judge();
    assert.ok(!JSON.stringify(lines).includes(next), "the new one is told nowhere either");
  });

  test("a long job outlives the scale-down of all others, and just those who were chosen go (rows 3, 37)", async () => {
    await using stage = await setClusterStage(plane, { pools: [pool("mails", { min: 1, max: 4 })], constants: strict });
    const { lines } = await outlivesScaleDown(stage);
    assert.ok(!lines.some((line) => line.kind === "output" && line.text.includes("WrongWorkerRemoved")));
  });
});
