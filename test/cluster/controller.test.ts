import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { Access } from "../support/cluster/access.ts";
import { noControlPlane } from "../support/control-plane.ts";
import { sharedControlPlane } from "../support/shared-control-plane.ts";
import { waitFor } from "../support/wait.ts";
import { openClusterHouse, waitMs } from "./house.ts";

describe("worktide controller", { skip: await noControlPlane() }, () => {
  let plane: Access;
  before(async () => {
    plane = await sharedControlPlane();
  });
  after(() => plane?.[Symbol.asyncDispose]());

  it("sizes a Deployment from zero to what its queue asks for, and back, and tells of it", async () => {
    await using house = await openClusterHouse(plane);
    await house.deployment("mails", 0);
    await house.connection("main");
    await house.worker("mails");
    await using life = await house.start();
    await house.reason("mails", "Empty");
    await house.push("mails", 7);
    await house.size("mails", 4);
    const { status } = await house.reason("mails", "WorkWaiting");
    assert.equal(status?.desired, 4);
    const printed = await plane.kubectl(["-n", house.room, "get", "sw"]);
    assert.match(
      printed,
      /^NAME +TARGET +REPLICAS +DESIRED +MAX +READY +REASON +AGE\nmails +mails +\d +4 +5 +True +WorkWaiting +/,
    );
    await plane.kubectl(["-n", house.room, "wait", "--for=condition=Ready", "sw/mails", "--timeout=60s"]);
    await house.client.del("mails");
    await house.size("mails", 0);
    await waitFor(
      "events of both changes",
      async () => {
        const reasons = (await house.events("mails")).map(({ reason }) => reason);
        return reasons.includes("ScaledFromZero") && reasons.includes("ScaledToZero");
      },
      waitMs,
    );
    assert.equal(life.said.filter((line) => line.includes("something failed")).length, 0, life.said.join("\n"));
  });

  it("writes nothing while nothing changes, but its Lease", async () => {
    await using house = await openClusterHouse(plane);
    await house.deployment("mails", 0);
    await house.connection("main");
    await house.worker("mails");
    await using _ = await house.start();
    await house.push("mails", 4);
    await house.size("mails", 2);
    await house.reason("mails", "WorkWaiting");
    const versions = async () => {
      const worker = await house.get("mails");
      const deployment = await plane.request("GET", `${house.apps}/deployments/mails`);
      return [worker.metadata.resourceVersion, deployment.metadata.resourceVersion, (await house.events("mails")).length];
    };
    await pause(3_000); // pods and status of the Deployment come to rest
    const before = await versions();
    for (let i = 0; i < 10; i++) {
      await house.client.set("other", String(i));
      await pause(500);
    }
    assert.deepEqual(await versions(), before);
  });
});
