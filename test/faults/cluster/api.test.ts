import { after, before, suite, test } from "node:test";
import type { Access } from "../../support/cluster/access.ts";
import { noControlPlane } from "../../support/control-plane.ts";
import type { ApiFault } from "../../support/scripted-api.ts";
import { sharedControlPlane } from "../../support/shared-control-plane.ts";
import { backlog, writesOnce } from "./support/backlog.ts";
import { setClusterStage } from "./support/stage.ts";

suite("A controller whose API server fails", { skip: await noControlPlane(), concurrency: 3 }, () => {
  let plane: Access;
  before(async () => {
    plane = await sharedControlPlane();
  });
  after(() => plane?.[Symbol.asyncDispose]());

  test("half-open: all that was open is silent, and a raise goes out all the same (row 23)", async () => {
    await using stage = await setClusterStage(plane, { pools: [backlog] });
    const { api } = await stage.start();
    await stage.settles("backlog", 3);
    await stage.fault({ fault: "frozen" }, async () => {
      await api.set({ kind: "freeze" });
      await stage.admin.rPush("backlog:backlog", ["4", "5"]);
      await stage.size("backlog", 5);
    });
    await stage.judge();
  });

  test("a hole swallows everything, for longer than the Lease: no write on a Lease that has passed (rows 21, 24, 97)", async () => {
    await using stage = await setClusterStage(plane, { pools: [backlog] });
    const { api, leads, life } = await stage.start();
    await leads();
    await stage.settles("backlog", 3);
    const heard = life.said.length;
    await stage.fault({ fault: "hole" }, async () => {
      await api.set({ kind: "hole" });
      await stage.admin.rPush("backlog:backlog", ["4", "5"]);
      await stage.wait("it to stand by", () => life.said.slice(heard).some((line) => line.includes('"msg":"stands by"')));
      await api.set({ kind: "pass" });
      api.cut();
    });
    await stage.size("backlog", 5);
    await stage.judge();
  });

  for (const [title, fault] of [
    ["504 after it was done", { doneThen: 504 }],
    ["409", { status: 409, reason: "Conflict" }],
  ] as const satisfies readonly (readonly [string, ApiFault])[]) {
    test(`${title} to a write of a size: it is written once in the end, up and down (rows 9, 21, 22)`, async () => {
      await writesOnce(plane, title, fault);
    });
  }

  test("watches tell nothing, twice, late and of the past: sizes are right and never lowered for that (rows 10, 59)", async () => {
    await using stage = await setClusterStage(plane, { pools: [backlog] });
    const { script } = await stage.start({ scripted: true });
    await stage.settles("backlog", 3);
    const old: string[] = [];
    let n = 0;
    await stage.fault({ fault: "odd watches" }, async () => {
      script.setLines((line, { path }) => {
        if (!/deployments|pods/.test(path)) return [line];
        old.push(line);
        n += 1;
        if (n % 3 === 0) return []; // lost
        if (n % 3 === 1) return [line, line];
        return [line, old[Math.floor(old.length / 2)] ?? line]; // and one of the past
      });
      for (const jobs of [5, 8, 6]) {
        await stage.admin
          .multi()
          .del("backlog:backlog")
          .rPush("backlog:backlog", Array.from({ length: jobs }, String))
          .exec();
        await stage.size("backlog", jobs);
      }
      script.setLines((line) => [line]);
    });
    await stage.judge();
  });
});
