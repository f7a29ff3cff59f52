import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { backlog, fill } from "../faults/cluster/support/backlog.ts";
import { leaseMs } from "../faults/cluster/support/controllers.ts";
import { setClusterStage } from "../faults/cluster/support/stage.ts";
import { pool } from "../faults/support/pools.ts";
import { definitionS, established } from "../support/cluster/established.ts";
import { type ControlPlane, noControlPlane, startControlPlane, type Thing } from "../support/control-plane.ts";

const calm = pool("calm", { kind: "list", connection: "steady", waitingPerReplica: 10 });
const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

suite("The control plane itself fails", { skip: await noControlPlane() }, () => {
  let plane: ControlPlane;
  before(async () => {
    plane = await startControlPlane();
  });
  after(() => plane?.stop());

  test("the API server is killed, then stopped, then its store is: queues are read, and sizes are right after each (rows 21, 23, 83)", async () => {
    await using stage = await setClusterStage(plane, { pools: [backlog, calm] });
    const { life } = await stage.start();
    await stage.settles("backlog", 3);
    await stage.fault({ fault: "killed" }, async () => {
      await plane.apiserver.kill9();
      await stage.admin.rPush("backlog:backlog", fill(1));
      await pause(1_000);
      await plane.apiserver.restart();
      await stage.size("backlog", 4);
    });
    for (const [what, component] of [
      ["API server", plane.apiserver],
      ["store", plane.etcd],
    ] as const) {
      await stage.fault({ fault: `${what} stopped` }, async () => {
        component.stopProcess();
        try {
          await stage.admin.rPush("backlog:backlog", fill(1));
          await pause(leaseMs);
        } finally {
          component.contProcess();
        }
        await stage.size("backlog", what === "API server" ? 5 : 6);
      });
    }
    await stage.settles("backlog", 6);
    assert.ok(!life.gone());
    await stage.judge();
  });

  test("its controllers stand still while the pool shrinks: those who were chosen go, and nobody else (row 37)", async () => {
    await using stage = await setClusterStage(plane, {
      pools: [pool("mails", { min: 1, max: 4 })],
      constants: { duplicates: "fail" },
    });
    await stage.start();
    await stage.occupied("mails", 8, 500);
    await stage.fault({ fault: "no controllers", worker: "mails" }, async () => {
      plane.controllerManager.stopProcess();
      await stage.drained();
      await pause(2_000);
      plane.controllerManager.contProcess();
    });
    await stage.settles("mails", 1);
    const { lines } = await stage.judge();
    assert.ok(!lines.some((line) => line.kind === "output" && line.text.includes("WrongWorkerRemoved")));
  });

  test("our kinds are removed and made again: pools keep their sizes, and are sized again (row 61)", async () => {
    await using stage = await setClusterStage(plane, { pools: [backlog] });
    const { life } = await stage.start();
    await stage.settles("backlog", 3);
    const names = ["scaledworkers", "queueconnections"].map((plural) => `${plural}.worktide.dev`);
    const kept = await Promise.all(
      ["scaledworkers", "queueconnections"].map(async (plural) => {
        const list = (await plane.request("GET", `${stage.paths.ours}/${plural}`)) as unknown as { items: Thing[] };
        return { plural, items: list.items };
      }),
    );
    await stage.fault({ fault: "no kinds", undeclared: true }, async () => {
      const made = await Promise.all(names.map((name) => plane.request("GET", `${definitions}/${name}`)));
      for (const name of names) await plane.request("DELETE", `${definitions}/${name}`);
      const isGone = (name: string) =>
        plane.request("GET", `${definitions}/${name}`).then(
          () => false,
          () => true,
        );
      for (const name of names) await stage.wait(`${name} to be gone`, () => isGone(name), definitionS * 1000);
      await stage.admin.del("backlog:backlog");
      await pause(2_000);
      assert.equal(await stage.replicas("backlog"), 3, "no kind is not the wish to have no pool");
      await stage.admin.rPush("backlog:backlog", fill(5));
      for (const { spec, metadata } of made) {
        await plane.request("POST", definitions, {
          ...{ apiVersion: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition", spec },
          metadata: { name: metadata.name },
        });
      }
      await established(plane);
      for (const { plural, items } of kept) {
        for (const { apiVersion, kind, metadata, ...rest } of items) {
          await plane.request("POST", `${stage.paths.ours}/${plural}`, {
            apiVersion,
            kind,
            metadata: { name: metadata.name },
            spec: rest["spec"],
          });
        }
      }
      await stage.size("backlog", 5);
    });
    assert.ok(!life.gone());
    await stage.settles("backlog", 5);
    await stage.judge();
  });
});
