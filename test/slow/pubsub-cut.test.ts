import assert from "node:assert/strict";
import { it } from "node:test";
import { startMonitoring } from "../support/monitoring.ts";
import { startProxy } from "../support/proxy.ts";
import { openLab, pubSubClient, settingsFor } from "../support/pubsub.ts";
import { skipWithoutEmulator, startEmulator } from "../support/pubsub-emulator.ts";
import { waitFor } from "../support/wait.ts";

// Slow, for what was published while the way was cut comes 10 s later, or twice that, or four times: the emulator goes on giving
// it to the stream that is gone, until its lease ends. Now and then it did not come within two minutes; why is not known yet.
const title = "a probe hears again by itself after the way to Pub/Sub was cut, and counts what came meanwhile";
it(title, { skip: await skipWithoutEmulator() }, async () => {
  await using emulator = await startEmulator();
  await using monitoring = await startMonitoring();
  await using client = pubSubClient(emulator.port, emulator.host);
  await client.make("cut-off");
  await using proxy = await startProxy(() => emulator.port);
  monitoring.count("cut-off", { undelivered: 0, at: Date.now() - 60_000 });
  await using own = await openLab(settingsFor({ emulator: proxy.port, monitoring: monitoring.port }, { probeOwner: "cut" }));
  const query = { subscription: "cut-off", wakeFromZero: true };
  let hints = 0;
  using _ = own.listen(query, () => hints++);
  await waitFor("the probe", async () => (await client.probes()).length === 1);
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
