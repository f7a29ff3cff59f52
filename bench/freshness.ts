import { setTimeout as pause } from "node:timers/promises";
import { scalers } from "../scalers/index.ts";
import { brokers } from "../src/brokers/brokers.ts";
import { monotonicMs } from "../src/brokers/clock.ts";
import { createObserver } from "../src/observe/create-observer.ts";
import type { Observer } from "../src/observe/observer.ts";
import { waitFor } from "../test/support/wait.ts";
import type { Bench } from "./context.ts";
import { digits, median, quantile } from "./figures.ts";
import { type FreshSource, scrapeMs, startSources } from "./freshness-sources.ts";

/** From a job that a service has taken to the reading that tells it, in the house's own rounds, each scaler at its default. */
export const freshness: Bench = async ({ quick, say }) => {
  await using undo = new AsyncDisposableStack();
  const sources = await startSources(undo, say);
  const observer = undo.use(
    createObserver({
      brokers: new Map(brokers.map((broker) => [broker.type, broker])),
      clock: monotonicMs,
      random: Math.random,
      onFault: (doing, cause) => say(`${doing}: ${String(cause)}`),
    }),
  );
  // Side by side: they hardly cost anything, and some wait for seconds.
  const rows = await Promise.all(sources.map((source) => measure(observer, source, Math.min(quick ? 4 : 12, source.most ?? 12))));
  return [
    {
      title: "From a job to the reading that tells it",
      note: `Polled at each scaler's default interval, or woken where the service can tell. Prometheus scrapes every ${scrapeMs / 1000} s here; what it scrapes every 30 s is as much later. Google samples the numbers of Pub/Sub every 60 s and shows them up to 120 s after that, as its list of metrics says: nobody can measure that here, and it comes on top. A pool at zero is woken by a probe before that (bench \`pubsub\`).`,
      head: ["scaler", "interval, s", "p50, ms", "p95, ms", "most, ms"],
      rows,
    },
  ];
};

async function measure(observer: Observer, source: FreshSource, jobs: number): Promise<readonly string[]> {
  const scaler = scalers.find(({ type }) => type === source.scaler);
  const broker = brokers.find(({ type }) => type === source.broker);
  if (scaler === undefined || broker === undefined) throw new Error(`there is no scaler ${source.scaler}`);
  const parsed = broker.settings.parse(source.settings);
  const settings = source.password === undefined ? parsed : { ...parsed, password: source.password };
  const connection = { name: source.title, type: source.broker, settings: async () => settings, key: source.title };
  let waiting: number | undefined;
  const watch = { scaler, query: scaler.query.parse(source.query), connection, intervalMs: scaler.everyMs };
  const watching = observer.watch(watch, ({ observation: { reading, failure } }) => {
    waiting = failure === undefined ? reading?.waiting : undefined;
  });
  await waitFor(`the first reading of ${source.title}`, () => waiting === 0);
  const times: number[] = [];
  for (let job = 1; job <= jobs; job++) {
    // At any moment between two rounds.
    await pause(Math.random() * scaler.everyMs);
    const began = monotonicMs();
    await source.publish();
    await waitFor(`job ${job} of ${source.title}`, () => waiting === job);
    times.push(monotonicMs() - began);
  }
  watching.stop();
  return [source.title, digits(scaler.everyMs / 1000), ...[median(times), quantile(times, 0.95), Math.max(...times)].map(digits)];
}
