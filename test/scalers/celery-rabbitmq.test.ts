import { randomUUID } from "node:crypto";
import { celery } from "../../scalers/celery.ts";
import { rabbitBroker } from "../../src/brokers/rabbitmq.ts";
import { type ScalerWorld, testScaler } from "../conformance/scaler.ts";
import { skipWithoutRabbit, startRabbit } from "../support/rabbitmq.ts";
import { settingsFor } from "../support/rabbitmq-lab.ts";
import { type RabbitClient, rabbitClient } from "../support/rabbitmq-producer.ts";

// Needs no Python: tasks as Celery 5.7 sends them. celery-rabbitmq-workers tries it on the real ones.
testScaler({
  title: "celery, on RabbitMQ",
  scaler: celery,
  broker: rabbitBroker,
  skip: await skipWithoutRabbit(),
  wakes: false,
  start: openWorld,
});

async function openWorld(): Promise<ScalerWorld> {
  const server = await startRabbit();
  let client: RabbitClient = await rabbitClient(server.url);
  const put = (queue: string, jobs: number, options = {}) =>
    client.put(queue, jobs, {
      contentType: "application/json",
      headers: { lang: "py", task: "work", id: randomUUID(), eta: null, retries: 0 },
      persistent: true,
      ...options,
    });
  return {
    settings: settingsFor(server, { username: "guest", password: "guest" }),
    wrongSettings: settingsFor(server, { username: "guest", password: "wrong" }),
    absent: "missing",
    query: (queue) => ({ queues: [queue] }),
    make: (queue) => client.make(queue, { arguments: { "x-max-priority": 9 } }),
    put: (queue, jobs) => put(queue, jobs),
    prioritize: (queue, jobs) => put(queue, jobs, { priority: 9 }),
    kill: () => server.kill9(),
    async revive() {
      client.destroy();
      await server.restart({ wipe: true });
      client = await rabbitClient(server.url);
    },
    freeze: (still) => (still ? server.stopProcess() : server.contProcess()),
    async [Symbol.asyncDispose]() {
      client.destroy();
      await server.stop();
    },
  };
}
