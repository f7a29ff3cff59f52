import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type House, openHouse } from "../cli/house.ts";
import { startMonitoring, type TestMonitoring } from "../support/monitoring.ts";
import { project, pubSubClient } from "../support/pubsub.ts";
import { findEmulator, skipWithoutEmulator, startEmulator, type TestEmulator } from "../support/pubsub-emulator.ts";
import { waitFor } from "../support/wait.ts";

const example = join(import.meta.dirname, "../../examples/gke-pubsub");
const skip = await skipWithoutEmulator();

describe("the example of GKE with Pub/Sub", { skip, timeout: 600_000 }, () => {
  let house: House;
  let emulator: TestEmulator;
  let monitoring: TestMonitoring;
  before(async () => {
    house = await openHouse();
    emulator = await startEmulator();
    monitoring = await startMonitoring();
  });
  after(async () => {
    await house[Symbol.asyncDispose]();
    await monitoring[Symbol.asyncDispose]();
    await emulator[Symbol.asyncDispose]();
  });

  it("wakes real workers from none by the probe, does each mail, and ends them when Cloud Monitoring counts none", async () => {
    assert.ok(!("missing" in (await findEmulator())));
    const name = house.nameOf("pubsub-mails");
    house.owns(name);
    await using client = pubSubClient(emulator.port, emulator.host);
    await client.make("mails");
    const host = `${emulator.host}:${emulator.port}`;
    const document = (await readFile(join(example, "worktide.yaml"), "utf8"))
      .replaceAll("shop-prod", project)
      .replace("worker.mjs", join(example, "worker.mjs"))
      .replace("name: pubsub-mails", `name: ${name}`)
      .replace(
        `{ project: ${project} }`,
        `{ project: ${project}, emulator: "${host}", monitoringEmulator: "127.0.0.1:${monitoring.port}" }`,
      )
      .replace("- name: mails", "- name: mails\n      every: 1s")
      .replace("cooldown: 5m }", "cooldown: 0s }\n  behavior: { scaleDown: { stabilizationWindowSeconds: 0 } }");
    await house.write(document);
    const outbox = join(house.folder, "outbox");
    const mails = async () => (await readFile(outbox, "utf8").catch(() => "")).split("\n").filter((line) => line !== "");
    let published = 0;
    const publish = async (count: number) => {
      await client.publish("mails", count);
      published += count;
    };
    // As Google counts: from time to time, and not what came just now.
    const counting = setInterval(() => {
      const before = published;
      void mails().then((done) => monitoring.count("mails", { undelivered: Math.max(0, before - done.length) }));
    }, 500);
    const env = { PUBSUB_EMULATOR_HOST: host, METADATA_SERVER_DETECTION: "none", OUTBOX: outbox, SECONDS: "1" };
    try {
      const life = await house.run([], env);
      await waitFor("the probe of a pool at zero", async () => (await client.probes()).length === 1);
      assert.deepEqual(house.alive(name), []);
      await publish(6);
      let most = 0;
      // From now on: once they are done, the pool goes back to zero, where there is a probe again.
      const unprobed = waitFor("no probe while there are workers", async () => (await client.probes()).length === 0);
      const done = waitFor("all mails", async () => {
        most = Math.max(most, house.alive(name).length);
        return (await mails()).length >= 6;
      });
      await Promise.all([unprobed, done]);
      assert.ok(most >= 2 && most <= 4, `${most}`);
      await house.size(name, 0);
      assert.equal((await mails()).length, 6, "each once");
      const { triggers } = await house.snapshot(life, name);
      assert.deepEqual([triggers[0]?.waiting, triggers[0]?.state], [0, "known"]);
      assert.match((await house.ask(["explain", name])).stdout, /no dead letter topic/);

      await waitFor("the probe again", async () => (await client.probes()).length === 1);
      await publish(1);
      await waitFor("one more, from none again", async () => (await mails()).length === 7);
      life.signal("SIGTERM");
      assert.equal(await life.exited, 0);
      assert.deepEqual(await client.probes(), [], "nothing of ours is left behind");
    } finally {
      clearInterval(counting);
    }
  });
});
