import { gcpPubSub } from "../../scalers/gcpPubSub.ts";
import { type ScalerWorld, testScaler } from "../conformance/scaler.ts";
import { startMonitoring } from "../support/monitoring.ts";
import { startProxy } from "../support/proxy.ts";
import { pubSubClient, settingsFor, testBroker } from "../support/pubsub.ts";
import { skipWithoutEmulator, startEmulator } from "../support/pubsub-emulator.ts";
import { waitFor } from "../support/wait.ts";

/** The emulator, and beside it a server that counts what was published, as Cloud Monitoring does with Google. */
async function startWorld(): Promise<ScalerWorld> {
  const emulator = await startEmulator();
  const monitoring = await startMonitoring();
  const proxies = await Promise.all([emulator.port, monitoring.port].map((port) => startProxy(() => port)));
  const [toEmulator, toMonitoring] = proxies;
  if (!toEmulator || !toMonitoring) throw new Error("no proxies");
  const client = pubSubClient(emulator.port, emulator.host);
  const waiting = new Map<string, Readonly<{ jobs: number; since: number }>>();
  const count = (queue: string, jobs: number) => {
    const since = waiting.get(queue)?.since ?? Date.now();
    waiting.set(queue, { jobs, since: jobs === 0 ? Date.now() : since });
    monitoring.count(queue, { undelivered: jobs, oldestS: jobs === 0 ? 0 : Math.floor((Date.now() - since) / 1000) });
  };
  const all = (mode: Parameters<typeof toEmulator.set>[0]) => Promise.all(proxies.map((proxy) => proxy.set(mode)));
  return {
    settings: settingsFor({ emulator: toEmulator.port, monitoring: toMonitoring.port }),
    absent: "missing",
    statisticsMs: 60_000,
    query: (subscription) => ({ subscription, wakeFromZero: true }),
    async make(queue) {
      await client.make(queue);
      count(queue, 0);
    },
    heard: () => waitFor("the probe subscription", async () => (await client.probes()).length > 0),
    async put(queue, jobs) {
      await client.publish(queue, jobs);
      count(queue, (waiting.get(queue)?.jobs ?? 0) + jobs);
    },
    async kill() {
      await all({ kind: "refuse" });
      for (const proxy of proxies) proxy.cut();
      monitoring.forget();
      waiting.clear();
    },
    revive: async () => void (await all({ kind: "pass" })),
    freeze: (on) => void all({ kind: on ? "hole" : "pass" }),
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]();
      await Promise.all([...proxies, monitoring, emulator].map((each) => each[Symbol.asyncDispose]()));
    },
  };
}

testScaler({
  title: "gcpPubSub",
  scaler: gcpPubSub,
  broker: testBroker,
  skip: await skipWithoutEmulator(),
  start: startWorld,
  forbidden: (name) => !/^[A-Za-z][A-Za-z0-9._~+%-]{2,254}$/.test(name),
});
