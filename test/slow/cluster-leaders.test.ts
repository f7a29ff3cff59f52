import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { backlog, fill } from "../faults/cluster/support/backlog.ts";
import { leaseMs } from "../faults/cluster/support/controllers.ts";
import { setClusterStage } from "../faults/cluster/support/stage.ts";
import { pool } from "../faults/support/pools.ts";
import type { Access } from "../support/cluster/access.ts";
import { noControlPlane } from "../support/control-plane.ts";
import { findFaketime } from "../support/faketime.ts";
import { sharedControlPlane } from "../support/shared-control-plane.ts";

const faketime = await findFaketime();
const library = "library" in faketime ? faketime.library : "";

suite("Two controllers, of which one leads", { skip: await noControlPlane(), concurrency: 2 }, () => {
  let plane: Access;
  before(async () => {
    plane = await sharedControlPlane();
  });
  after(() => plane?.[Symbol.asyncDispose]());

  test("both have one name, and one leads all the same (row 36)", async () => {
    await using stage = await setClusterStage(plane, { pools: [backlog] });
    const args = ["--identity", "worktide-0"];
    const first = await stage.start({ args });
    await first.leads();
    const second = await stage.start({ args });
    await stage.settles("backlog", 3);
    await stage.admin.rPush("backlog:backlog", fill(2));
    await stage.size("backlog", 5);
    assert.ok(!second.life.said.some((line) => line.includes('"msg":"leads"')));
    await first.end("SIGTERM");
    await stage.admin.rPush("backlog:backlog", fill(2));
    await stage.size("backlog", 7);
    await stage.judge();
  });

  test("installed twice by mistake, each leads by a Lease of its own: they agree, and no size is written over (rows 9, 69)", async () => {
    await using stage = await setClusterStage(plane, { pools: [backlog, pool("mails", { max: 3 })] });
    const first = await stage.start();
    // Its rights name the Lease of an install; a second install has its own.
    const rules = [{ apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: ["get", "list", "watch", "update"] }];
    const second = await stage.start({ args: ["--lease-name", "other"], rules });
    await Promise.all([first.leads(), second.leads()]);
    await stage.settles("backlog", 3);
    for (const jobs of [8, 5]) {
      await stage.admin.multi().del("backlog:backlog").rPush("backlog:backlog", fill(jobs)).exec();
      await stage.size("backlog", jobs);
    }
    await stage.occupied("mails", 6, 300);
    await stage.drained();
    await stage.settles("backlog", 5);
    const { lines } = await stage.judge();
    const sizes = lines.flatMap((line) =>
      line.kind === "api" && line.what === "scale" && line.name === "backlog" && line.verb === "update" && line.code < 300
        ? [line.replicas]
        : [],
    );
    assert.deepEqual(sizes, [3, 8, 5], "each size is written once, by whoever comes first");
  });

  test("the Lease is deleted, then given to nobody who exists: one leads again within its length (row 80)", async () => {
    await using stage = await setClusterStage(plane, { pools: [backlog] });
    const first = await stage.start();
    await first.leads();
    const both = [first, await stage.start()];
    await stage.settles("backlog", 3);
    const leases = `/apis/coordination.k8s.io/v1/namespaces/${stage.room}/leases`;
    const lease = `${leases}/worktide`;
    await stage.fault({ fault: "deleted" }, async () => {
      await plane.request("DELETE", lease);
      await stage.admin.rPush("backlog:backlog", ["4"]);
      await stage.size("backlog", 4); // perhaps by one who has not heard of it yet
      const isThere = async () => (await plane.request<{ items: readonly unknown[] }>("GET", leases)).items.length > 0;
      await stage.wait("a Lease to be there again", isThere);
    });
    await stage.fault({ fault: "edited" }, async () => {
      const heard = both.map(({ life }) => life.said.length);
      await plane.request("PATCH", lease, { spec: { holderIdentity: "nobody" } });
      // Until it hears of it, whoever led leads, as nobody else does.
      const deposed = () =>
        both.some(({ life }, i) => life.said.slice(heard[i]).some((line) => line.includes('"msg":"stands by"')));
      await stage.wait("whoever led to stand by", deposed);
      await stage.admin.rPush("backlog:backlog", ["5"]);
      await stage.size("backlog", 5);
    });
    await stage.judge();
  });

  test("the wall clock of either steps by hours: nobody takes over, and nothing is due for that (row 64)", {
    skip: "missing" in faketime ? faketime.missing : false,
  }, async () => {
    await using stage = await setClusterStage(plane, { pools: [{ ...backlog, cooldownMs: 60_000, downWindowS: 60 }] });
    const clock = (name: string) => join(stage.dir, name);
    const env = (name: string) => ({
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: clock(name),
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    });
    await Promise.all(["first", "second"].map((name) => writeFile(clock(name), "+0")));
    const first = await stage.start({ env: env("first") });
    await first.leads();
    const second = await stage.start({ env: env("second") });
    await stage.settles("backlog", 3);
    await stage.admin.lTrim("backlog:backlog", 0, 0); // one is left, and two of three are due in a minute
    await stage.fault({ fault: "clock steps" }, async () => {
      for (const [one, other] of [
        ["+3600", "-3600"],
        ["-86400", "+86400"],
      ] as const) {
        await Promise.all([writeFile(clock("first"), one), writeFile(clock("second"), other)]);
        await pause(leaseMs / 2);
      }
    });
    await stage.admin.rPush("backlog:backlog", fill(5));
    await stage.size("backlog", 6);
    assert.ok(!second.life.said.some((line) => line.includes('"msg":"leads"')));
    const { writes, lines } = await stage.judge();
    const days = new Set(lines.flatMap((line) => (line.kind === "read" ? [line.at.slice(0, 10)] : [])));
    assert.ok(days.size > 1, "they did look at that clock");
    assert.ok(writes("backlog").every(({ from, to }) => to > from));
  });
});
