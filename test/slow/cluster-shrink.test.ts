import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { type ClusterStage, setClusterStage } from "../faults/cluster/support/stage.ts";
import { pool } from "../faults/support/pools.ts";
import type { Access } from "../support/cluster/access.ts";
import { auditOf } from "../support/cluster/audit.ts";
import { noControlPlane } from "../support/control-plane.ts";
import type { ScriptedApi } from "../support/scripted-api.ts";
import { sharedControlPlane } from "../support/shared-control-plane.ts";

/** How many pods were ever made in the room of a stage. */
async function podsMade({ plane, room }: ClusterStage): Promise<number> {
  const events = await auditOf(plane, room);
  return events.filter(
    ({ verb, objectRef, responseStatus }) =>
      verb === "create" &&
      objectRef?.resource === "pods" &&
      objectRef.subresource === undefined &&
      (responseStatus?.code ?? 0) < 300,
  ).length;
}

const options = { pools: [pool("mails", { min: 1, max: 4 })], constants: { duplicates: "fail" } } as const;

/**
 * Each request takes so long while the pool grows to 4 around a long job, and is to shrink again. Resolves with how the
 * long job is ended, once it says why nobody goes.
 */
async function growsWhileSlow(stage: ClusterStage, script: ScriptedApi, afterMs: number): Promise<() => Promise<void>> {
  await stage.settles("mails", 1);
  const until = join(stage.dir, "release");
  await stage.enqueue("mails", 1, 0, { until });
  await stage.busy(1);
  script.set(() => ({ afterMs }));
  await stage.enqueue("mails", 7, 300);
  await stage.settles("mails", 4);
  const says = async () => JSON.stringify((await stage.get("mails")).status).includes("answers too slowly");
  await stage.wait("it to say why nobody goes", says);
  return () => writeFile(until, "");
}

suite("A pool shrinks, and its API server takes its time", { skip: await noControlPlane(), concurrency: 2 }, () => {
  let plane: Access;
  before(async () => {
    plane = await sharedControlPlane();
  });
  after(() => plane?.[Symbol.asyncDispose]());

  test("500 ms for each request: no worker is replaced by another one, and the busy one goes on", async () => {
    await using stage = await setClusterStage(plane, options);
    const { script } = await stage.start({ scripted: true });
    await stage.fault({ fault: "slow", worker: "mails" }, async () => {
      const release = await growsWhileSlow(stage, script, 500);
      await release();
      await stage.drained();
      await stage.settles("mails", 1);
    });
    assert.equal(await podsMade(stage), 4);
    await stage.judge();
  });

  test("slow for a while only: those who are idle go while the busy one goes on, as soon as it is fast again", async () => {
    await using stage = await setClusterStage(plane, options);
    const { script } = await stage.start({ scripted: true });
    const release = await stage.fault({ fault: "slow", worker: "mails" }, () => growsWhileSlow(stage, script, 700));
    script.set(() => undefined);
    await stage.settles("mails", 1);
    assert.ok((await podsMade(stage)) <= 7, "each of the three was replaced once at the most");
    await release();
    await stage.drained();
    await stage.judge();
  });
});
