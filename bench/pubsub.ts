import { gcpPubSub } from "../scalers/gcpPubSub.ts";
import { pubSubBroker } from "../src/brokers/pubsub.ts";
import { freePort } from "../src/services/free-port.ts";
import { startMonitoring } from "../test/support/monitoring.ts";
import { openLab, pubSubClient, settingsFor } from "../test/support/pubsub.ts";
import { skipWithoutEmulator, startEmulator, type TestEmulator } from "../test/support/pubsub-emulator.ts";
import { waitFor } from "../test/support/wait.ts";
import type { Bench, Context } from "./context.ts";
import { digits, median, quantile } from "./figures.ts";

/** What a round of many subscriptions costs beside the network, and how long a probe takes to tell of a message. */
export const pubsub: Bench = async (context) => {
  const missing = await skipWithoutEmulator();
  await using emulator = missing === false ? await startEmulator() : undefined;
  if (missing !== false) context.say(missing);
  const rounds: string[][] = [];
  for (const count of context.quick ? [1000] : [1, 100, 1000]) {
    context.say(`pubsub: ${count} subscriptions`);
    rounds.push([String(count), ...(await measureRounds(count, emulator, context))]);
  }
  return [
    {
      title: "One round of many subscriptions",
      note: "Goal: one call for each page of the API. Two metrics of five points each, from a server with Google's protos in this same process: its share is in the figures, Google's own time and the network are not. Settings by the emulator, read once a minute.",
      head: ["subscriptions", "p50, ms", "p95, ms", "ListTimeSeries a round", "with the settings, ms"],
      rows: rounds,
    },
    ...(emulator ? [await measureProbe(emulator, context)] : []),
  ];
};

async function measureRounds(count: number, emulator: TestEmulator | undefined, { quick }: Context): Promise<readonly string[]> {
  await using monitoring = await startMonitoring();
  const names = Array.from({ length: count }, (_, i) => `bench-${count}-${i}`);
  if (emulator) {
    await using client = pubSubClient(emulator.port, emulator.host);
    for (const name of names) await client.make(name);
  }
  for (const name of names) {
    for (let minute = 4; minute >= 0; minute--) {
      monitoring.count(name, { undelivered: 3, oldestS: 60, at: Date.now() - minute * 55_000 });
    }
  }
  const settings = settingsFor({ emulator: emulator?.port ?? (await freePort()), monitoring: monitoring.port });
  await using session = await pubSubBroker.open(settings, AbortSignal.timeout(30_000));
  const queries = names.map((subscription) => gcpPubSub.query.parse({ subscription }) as never);
  const times: number[] = [];
  const before = monitoring.requests.length;
  for (let round = 0; round <= (quick ? 10 : 50); round++) {
    const began = performance.now();
    const results = await gcpPubSub.read(session.client, queries, AbortSignal.timeout(30_000));
    times.push(performance.now() - began);
    const wrong = results.find((result) => !("reading" in result && result.reading.waiting === 3));
    if (wrong) throw new Error(`a reading went wrong: ${JSON.stringify(wrong)}`);
  }
  const [first = Number.NaN, ...usual] = times;
  return [median(usual), quantile(usual, 0.95), (monitoring.requests.length - before) / times.length, first].map(digits);
}

async function measureProbe(emulator: TestEmulator, { quick }: Context) {
  await using client = pubSubClient(emulator.port, emulator.host);
  await using lab = await openLab(settingsFor({ emulator: emulator.port }));
  await client.make("bench-probe");
  const query = { subscription: "bench-probe", wakeFromZero: true };
  let hints = 0;
  using _ = lab.listen(query, () => hints++);
  await waitFor("the probe", async () => (await client.probes()).length > 0);
  const times: number[] = [];
  for (let round = 0; round < (quick ? 20 : 100); round++) {
    const before = hints;
    const began = performance.now();
    await client.publish("bench-probe", 1);
    await waitFor("the hint", () => hints > before);
    times.push(performance.now() - began);
  }
  return {
    title: "From publishing to the hint that wakes",
    note: "On the emulator, one message after the other; from before the call that publishes. Looked at every 10 ms.",
    head: ["messages", "p50, ms", "p95, ms", "most, ms"],
    rows: [[String(times.length), ...[median(times), quantile(times, 0.95), Math.max(...times)].map(digits)]],
  };
}
