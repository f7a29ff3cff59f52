import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Access } from "../support/cluster/access.ts";
import { noControlPlane } from "../support/control-plane.ts";
import { sharedControlPlane } from "../support/shared-control-plane.ts";
import { waitFor } from "../support/wait.ts";
import { openClusterHouse, waitMs } from "./house.ts";

/** From every minute on, and to no time near: open whenever the test runs. */
const open = { timezone: "UTC", from: "* * * * *", to: "0 0 29 2 *" };

describe("a schedule in a cluster", { skip: await noControlPlane() }, () => {
  let plane: Access;
  before(async () => {
    plane = await sharedControlPlane();
  });
  after(() => plane?.[Symbol.asyncDispose]());

  it("needs no connection, and acts once with several controllers, also after the leader is gone", async () => {
    await using house = await openClusterHouse(plane);
    await house.deployment("mails", 0);
    const first = await house.start(["--identity", "first"]);
    await first.says('"msg":"leads"');
    await using second = await house.start(["--identity", "second"]);
    const scaledBy = (lives: readonly { said: readonly string[] }[]) =>
      lives.map(({ said }) => said.filter((line) => line.includes('"msg":"scaled"')).length);
    await house.worker("mails", {
      triggers: [{ name: "hours", cron: { ...open, replicas: 3 } }],
      scaleDown: { protect: "grace", cooldown: "0s" },
    });
    await house.size("mails", 3);
    await house.reason("mails", "WorkWaiting");
    await second.says('"msg":"connected"');
    const generation = async () =>
      (await plane.request<{ metadata: { generation: number } }>("GET", `${house.apps}/deployments/mails`)).metadata.generation;
    assert.equal(await generation(), 2, "made, and scaled once");
    await first.says('"msg":"scaled"');
    assert.deepEqual(scaledBy([first, second]), [1, 0]);
    first.signal("SIGTERM");
    await second.says('"msg":"leads"');
    await house.patch("mails", { spec: { triggers: [{ name: "hours", cron: { ...open, replicas: 5, atMost: 4 } }] } });
    await house.size("mails", 4);
    assert.equal(await generation(), 3, "the new leader wrote the new size, and the old one not again");
    await second.says('"msg":"scaled"');
    assert.deepEqual(scaledBy([first, second]), [1, 1]);
    const events = async () => (await house.events("mails")).map(({ note }) => note);
    await waitFor("the events", async () => (await events()).some((note) => note.includes("hours")), waitMs);
  });

  it("has the pods of another workload for its like: the size follows theirs", async () => {
    await using house = await openClusterHouse(plane);
    await house.deployment("web", 3);
    await house.deployment("consumers", 0);
    await using _ = await house.start();
    const kubernetesWorkload = { selector: { matchLabels: { app: "web" } }, podsPerReplica: 1.5 };
    await house.worker("consumers", {
      triggers: [{ name: "web", kubernetesWorkload }],
      scaleDown: { protect: "grace", cooldown: "0s" },
    });
    await house.size("consumers", 2);
    await plane.kubectl(["-n", house.room, "scale", "deployment/web", "--replicas=6"]);
    await house.size("consumers", 4);
    await plane.kubectl(["-n", house.room, "scale", "deployment/web", "--replicas=0"]);
    await house.size("consumers", 0);
  });
});
