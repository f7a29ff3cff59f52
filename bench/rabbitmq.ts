import diagnostics from "node:diagnostics_channel";
import { setTimeout as pause } from "node:timers/promises";
import { rabbitmq } from "../scalers/rabbitmq.ts";
import { rabbitBroker } from "../src/brokers/rabbitmq.ts";
import type { Sample } from "../src/core/contract.ts";
import { skipWithoutRabbit, startRabbit, type TestRabbit } from "../test/support/rabbitmq.ts";
import { settingsFor } from "../test/support/rabbitmq-lab.ts";
import { type RabbitClient, rabbitClient } from "../test/support/rabbitmq-producer.ts";
import type { Bench, Context } from "./context.ts";
import { digits, median, quantile } from "./figures.ts";

type Kind = "classic" | "quorum";
const series = ["3.10", "4.0"] as const;

/** One round of many queues, and how long it takes until a reading tells what has happened. */
export const rabbit: Bench = async (context) => {
  const [rounds, news]: [string[][], string[][]] = [[], []];
  for (const version of series) {
    const missing = await skipWithoutRabbit(version);
    if (missing !== false) {
      context.say(missing);
      continue;
    }
    for (const kind of ["classic", "quorum"] as const) {
      context.say(`rabbitmq: ${version}, ${kind}`);
      await using server = await startRabbit({ series: version });
      const client = await rabbitClient(server.url);
      for (const count of context.quick ? [500] : [1, 100, 500]) {
        rounds.push([`${version}, ${kind}, ${count}`, ...(await measureRounds(server, client, kind, count, context))]);
      }
      news.push([`${version}, ${kind}`, ...(await measureNews(server, client, kind, context))]);
      client.destroy();
    }
  }
  return [
    {
      title: "One round of many queues",
      note: "Goal: at most 60 ms and 2 HTTP requests for 500 queues. One query for each queue, a round each second, as in a run.",
      head: ["RabbitMQ, type, queues", "p50, ms", "p95, ms", "requests a round, mean", "most"],
      rows: rounds,
    },
    {
      title: "From what happens to a reading that tells it",
      note: "Asked without a pause. Publishing: until `waiting` tells it. Taking (a consumer that does not acknowledge): until `running` is right; until `workers` is.",
      head: ["RabbitMQ, type", "published, p50, ms", "most", "taken, p50, ms", "most", "taken by whom, p50, ms", "most"],
      rows: news,
    },
  ];
};

async function measureRounds(
  server: TestRabbit,
  client: RabbitClient,
  kind: Kind,
  count: number,
  { quick }: Context,
): Promise<readonly string[]> {
  const names = Array.from({ length: count }, (_, i) => `${kind}-${i}`);
  for (const name of names) await client.make(name, { arguments: { "x-queue-type": kind } });
  const queries = names.map((queue) => rabbitmq.query.parse({ queue }) as never);
  const session = await rabbitBroker.open(settingsFor(server), AbortSignal.timeout(30_000));
  let requests = 0;
  const counted = () => void requests++;
  diagnostics.subscribe("undici:request:create", counted);
  const [times, asked]: [number[], number[]] = [[], []];
  for (let round = 0; round < (quick ? 10 : 30); round++) {
    const before = requests;
    const began = performance.now();
    const results = await rabbitmq.read(session.client, queries, AbortSignal.timeout(30_000));
    times.push(performance.now() - began);
    await pause(1000);
    asked.push(requests - before);
    const wrong = results.find((result) => !("reading" in result && result.reading.waiting === 0));
    if (wrong) throw new Error(`a reading went wrong: ${JSON.stringify(wrong)}`);
  }
  diagnostics.unsubscribe("undici:request:create", counted);
  session.destroy();
  const mean = asked.reduce((sum, one) => sum + one, 0) / asked.length;
  // The first round dials the management API and learns the types of the queues.
  const usual = times.slice(1);
  return [median(usual), quantile(usual, 0.95), mean, Math.max(...asked)].map(digits);
}

async function measureNews(server: TestRabbit, client: RabbitClient, kind: Kind, { quick }: Context): Promise<readonly string[]> {
  const [published, taken, named]: [number[], number[], number[]] = [[], [], []];
  for (let round = 0; round < (quick ? 2 : 10); round++) {
    const queue = `news-${kind}-${round}`;
    await client.make(queue, { arguments: { "x-queue-type": kind } });
    await using session = await rabbitBroker.open(settingsFor(server), AbortSignal.timeout(30_000));
    const until = async (times: number[], fits: (reading: Sample) => boolean) => {
      const began = performance.now();
      for (;;) {
        const [result] = await rabbitmq.read(
          session.client,
          [rabbitmq.query.parse({ queue }) as never],
          AbortSignal.timeout(30_000),
        );
        if (result && "reading" in result && fits(result.reading)) break;
        await pause(2);
      }
      times.push(performance.now() - began);
    };
    await until([], ({ waiting }) => waiting === 0);
    await client.put(queue, 3, { persistent: true });
    await until(published, ({ waiting }) => waiting === 3);
    const worker = await rabbitClient(server.url, "worker-1");
    await worker.take(queue, 3);
    await Promise.all([
      until(taken, ({ waiting, running }) => waiting === 0 && running === 3),
      until(named, ({ workers }) => workers?.some(({ id, busy }) => id === "worker-1" && busy === 3) === true),
    ]);
    worker.destroy();
  }
  return [published, taken, named].flatMap((times) => [median(times), Math.max(...times)]).map(digits);
}
