import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { backlog, fill, outlivesScaleDown } from "../faults/cluster/support/backlog.ts";
import { setClusterStage } from "../faults/cluster/support/stage.ts";
import { pool } from "../faults/support/pools.ts";
import { keepsWedged } from "../faults/support/wedged.ts";
import type { Access } from "../support/cluster/access.ts";
import { noControlPlane } from "../support/control-plane.ts";
import { sharedControlPlane } from "../support/shared-control-plane.ts";

const strict = { duplicates: "fail" } as const;
const onMails = { worker: "mails" } as const;

suite("Pods and their workers fail", { skip: await noControlPlane(), concurrency: 2 }, () => {
  let plane: Access;
  before(async () => {
    plane = await sharedControlPlane();
  });
  after(() => plane?.[Symbol.asyncDispose]());

  test("a long job outlives the scale-down of a StatefulSet: it shrinks from the top, while that is idle (rows 3, 37)", async () => {
    const pools = [pool("mails", { min: 1, max: 4 })];
    await using stage = await setClusterStage(plane, { pools, kind: "StatefulSet", constants: strict });
    // It was the first and is the lowest: all above it go.
    await outlivesScaleDown(stage);
  });

  test("a worker is wedged with a job in hand, and its queue tells nothing new of it: it is not taken (rows 12, 65)", async () => {
    const mails = pool("mails", { min: 1, max: 3 });
    await using stage = await setClusterStage(plane, { pools: [mails], workerEnv: { LOCK_MS: "30000" } });
    await stage.start();
    await keepsWedged(stage, 3, 4_000);
    await stage.judge();
  });

  test("an image that nobody can pull: it is said, and the pool shrinks with its queue all the same (row 13)", async () => {
    const podSpec = { containers: [{ name: "worker", image: "none", imagePullPolicy: "Never" }] };
    await using stage = await setClusterStage(plane, { pools: [backlog], podSpec });
    await stage.start();
    await stage.fault({ fault: "no image", worker: "backlog" }, async () => {
      await stage.size("backlog", 3);
      const { status } = await stage.reason("backlog", "CannotStart");
      assert.match(JSON.stringify(status), /ImagePullBackOff/);
      await stage.admin.rPush("backlog:backlog", fill(5));
      await pause(1_500);
      assert.equal(await stage.replicas("backlog"), 3, "more of the same would not start either");
      await stage.admin.lTrim("backlog:backlog", 0, 0);
      await stage.size("backlog", 1);
      await plane.request("PATCH", `${stage.paths.apps}/deployments/backlog`, {
        spec: { template: { spec: { containers: [{ name: "worker", image: "worker", imagePullPolicy: "Never" }] } } },
      });
    });
    await stage.settles("backlog", 1);
    await stage.judge();
  });

  test("a quota allows for two of them: it is said, and they all come when it allows for more (row 13)", async () => {
    await using stage = await setClusterStage(plane, { pools: [backlog] });
    const quotas = `${stage.paths.core}/resourcequotas`;
    await plane.request("POST", quotas, { metadata: { name: "few" }, spec: { hard: { pods: "2" } } });
    await stage.start();
    await stage.fault({ fault: "quota", worker: "backlog" }, async () => {
      await stage.settles("backlog", 2);
      const { status } = await stage.reason("backlog", "CannotStart");
      assert.match(JSON.stringify(status), /exceeded quota/);
      await stage.admin.lTrim("backlog:backlog", 0, 1);
      await stage.size("backlog", 2);
      await plane.request("PATCH", `${quotas}/few`, { spec: { hard: { pods: "9" } } });
      await stage.admin.rPush("backlog:backlog", fill(3));
      await stage.size("backlog", 5);
    });
    await stage.settles("backlog", 5);
    await stage.judge();
  });

  test("a rollout comes while jobs are in hand: no job is lost by a size of ours, and it is right in the end (row 67)", async () => {
    await using stage = await setClusterStage(plane, { pools: [pool("mails", { min: 1, max: 3 })], constants: strict });
    await stage.start();
    await stage.occupied("mails", 6, 1_000);
    await stage.fault({ fault: "rollout", ...onMails }, async () => {
      await plane.request("PATCH", `${stage.paths.apps}/deployments/mails`, {
        spec: { template: { metadata: { annotations: { version: "2" } } } },
      });
      await stage.enqueue("mails", 3, 500);
      await stage.drained();
      await stage.wait("the rollout", async () => {
        const { status } = (await plane.request("GET", `${stage.paths.apps}/deployments/mails`)) as unknown as {
          status: { updatedReplicas?: number; replicas?: number };
        };
        return status.updatedReplicas === status.replicas;
      });
    });
    await stage.settles("mails", 1);
    await stage.judge();
  });

  test("its node is lost with jobs in hand: they are done elsewhere, and its pods are nobody's idle ones (row 66)", async () => {
    await using stage = await setClusterStage(plane, { pools: [pool("mails", { min: 1, max: 4 })] });
    await stage.start();
    await stage.occupied("mails", 6, 1_000);
    await stage.fault({ fault: "node lost", ...onMails }, async () => {
      const before = stage.node.pods().map(({ metadata }) => metadata.name);
      await stage.node.lose();
      const since = new Date().toISOString();
      for (const name of before) {
        await plane.request("PATCH", `${stage.paths.core}/pods/${name}/status`, {
          status: { conditions: [{ type: "Ready", status: "False", reason: "NodeNotReady", lastTransitionTime: since }] },
        });
      }
      await stage.enqueue("mails", 6, 300);
      await stage.size("mails", 4);
      // As whoever has lost it for good.
      for (const name of before) await plane.request("DELETE", `${stage.paths.core}/pods/${name}`, { gracePeriodSeconds: 0 });
      stage.node.back();
      await stage.drained();
    });
    await stage.settles("mails", 1);
    await stage.judge();
  });

  test("those who leave take their time: with a hard maximum no more than that are ever there (row 25)", async () => {
    const command = ["sh", "-c", "trap 'sleep 3; exit 0' TERM; while :; do sleep 0.1; done"];
    await using stage = await setClusterStage(plane, { pools: [{ ...backlog, max: 4, hardMax: true, command }] });
    await stage.start();
    await stage.admin.rPush("backlog:backlog", fill(1));
    await stage.settles("backlog", 4);
    await stage.fault({ fault: "slow to leave", worker: "backlog" }, async () => {
      await stage.admin.lTrim("backlog:backlog", 0, 0);
      await stage.size("backlog", 1);
      await stage.admin.rPush("backlog:backlog", fill(3));
      await stage.size("backlog", 4);
    });
    await stage.settles("backlog", 4);
    const { lines } = await stage.judge();
    const most = Math.max(...lines.flatMap((line) => (line.kind === "obs" ? [line.alive.length] : [])));
    assert.equal(most, 4);
  });

  test("the Deployment is deleted and made again under its name: another one, with a past of its own (row 33)", async () => {
    await using stage = await setClusterStage(plane, { pools: [backlog] });
    await stage.start();
    await stage.settles("backlog", 3);
    await stage.fault({ fault: "made again", worker: "backlog" }, async () => {
      const { spec } = await plane.request("GET", `${stage.paths.apps}/deployments/backlog`);
      await plane.request("DELETE", `${stage.paths.apps}/deployments/backlog`, { propagationPolicy: "Background" });
      await stage.reason("backlog", "TargetNotFound");
      await plane.request("POST", `${stage.paths.apps}/deployments`, {
        metadata: { name: "backlog" },
        spec: { ...(spec as object), replicas: 8 },
      });
      await stage.size("backlog", 3);
    });
    await stage.settles("backlog", 3);
    await stage.judge();
  });
});
