import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { startMonitoring, type TestMonitoring } from "../support/monitoring.ts";
import { startProxy } from "../support/proxy.ts";
import { openLab, type PubSubClient, pubSubClient, settingsFor } from "../support/pubsub.ts";
import { skipWithoutEmulator, startEmulator, type TestEmulator } from "../support/pubsub-emulator.ts";
import { waitFor } from "../support/wait.ts";

// Slow, for what was published while the way was cut comes 10 s later, or twice that, or four times: the emulator goes on giving
// it to the stream that is gone, until its lease ends. Now and then it did not come within two minutes; why is not known yet.
describe("probe subscriptions of the Pub/Sub emulator", { skip: await skipWithoutEmulator() }, () => {
  let emulator: TestEmulator;
  let monitoring: TestMonitoring;
  let client: PubSubClient;
  before(async () => {
    emulator = await startEmulator();
    monitoring = await startMonitoring();
    client = pubSubClient(emulator.port, emulator.host);
  });
  after(async () => {
    await client[Symbol.asyncDispose]();
    await monitoring[Symbol.asyncDispose]();
    await emulator[Symbol.asyncDispose]();
  });
  const probesOf = (owner: string) => async () => {
    const [all] = await client.subscriber.listSubscriptions({ project: "projects/worktide-test" });
    return all.filter(({ labels }) => labels?.["worktide-probe"] === owner);
  };

  it("hear again by themselves after the way to Pub/Sub was cut, and count what came meanwhile", async () => {
    await client.make("cut-off");
    await using proxy = await startProxy(() => emulator.port);
    monitoring.count("cut-off", { undelivered: 0, at: Date.now() - 60_000 });
    await using own = await openLab(settingsFor({ emulator: proxy.port, monitoring: monitoring.port }, { probeOwner: "cut" }));
    const query = { subscription: "cut-off", wakeFromZero: true };
    let hints = 0;
    using _ = own.listen(query, () => hints++);
    await waitFor("the probe", async () => (await probesOf("cut")()).length === 1);
    await client.publish("cut-off", 1);
    await waitFor("a first hint", () => hints === 1);
    await proxy.set({ kind: "refuse" });
    proxy.cut();
    await waitFor("the reason", async () => /probe subscription fails/.test(((await own.read(query)).advice ?? []).join()));
    await client.publish("cut-off", 2);
    await proxy.set({ kind: "pass" });
    await waitFor("both", async () => hints > 1 && (await own.read(query)).waiting === 3);
    assert.doesNotMatch(((await own.read(query)).advice ?? []).join(), /probe subscription fails/);
  });
});
