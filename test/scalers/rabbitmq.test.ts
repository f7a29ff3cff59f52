import { rabbitmq } from "../../scalers/rabbitmq.ts";
import { rabbitBroker } from "../../src/brokers/rabbitmq.ts";
import { type ScalerWorld, testScaler } from "../conformance/scaler.ts";
import { skipWithoutRabbit, startRabbit } from "../support/rabbitmq.ts";
import { type RabbitClient, rabbitClient } from "../support/rabbitmq-producer.ts";
import { type RabbitSeries, rabbitSeries } from "../support/rabbitmq-program.ts";

async function startWorld(series: RabbitSeries, type: "classic" | "quorum"): Promise<ScalerWorld> {
  const server = await startRabbit({ series });
  let client: RabbitClient = await rabbitClient(server.url);
  const settings = rabbitBroker.settings.parse({ url: server.url, management: { url: server.managementUrl } });
  return {
    settings: { ...settings, username: "guest", password: "guest" },
    wrongSettings: { ...settings, username: "guest", password: "wrong" },
    absent: "missing",
    statisticsMs: 60_000,
    query: (queue) => ({ queue }),
    make: (queue) =>
      client.make(queue, { arguments: { "x-queue-type": type, ...(type === "classic" && { "x-max-priority": 3 }) } }),
    put: (queue, jobs) => client.put(queue, jobs, { persistent: true }),
    ...(type === "classic" && { prioritize: (queue: string, jobs: number) => client.put(queue, jobs, { priority: 3 }) }),
    take: async (queue, jobs) => void (await client.take(queue, jobs)),
    async kill() {
      await server.kill9();
    },
    async revive() {
      client.destroy();
      await server.restart({ wipe: true });
      client = await rabbitClient(server.url);
    },
    freeze: (on) => (on ? server.stopProcess() : server.contProcess()),
    async [Symbol.asyncDispose]() {
      client.destroy();
      await server.stop();
    },
  };
}

for (const series of rabbitSeries) {
  const skip = await skipWithoutRabbit(series);
  for (const type of ["classic", "quorum"] as const) {
    testScaler({
      title: `rabbitmq, of a ${type} queue of RabbitMQ ${series}`,
      scaler: rabbitmq,
      broker: rabbitBroker,
      skip,
      start: () => startWorld(series, type),
    });
  }
}
