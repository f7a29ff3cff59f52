import { startRabbit, type TestRabbit } from "../../support/rabbitmq.ts";
import { type RabbitClient, rabbitClient } from "../../support/rabbitmq-producer.ts";
import { type Fault, heldThroughAll } from "./elsewhere.ts";

/** The queue in which jobs wait. */
export const queue = "backlog";

/** Three jobs wait in a queue of a RabbitMQ, behind the proxy; its management API is not. */
export async function throughRabbit(faultsOf: (server: TestRabbit, own: Own) => readonly Fault[]) {
  await using server = await startRabbit();
  let client = await rabbitClient(server.url);
  let waiting = 3;
  const fill = async () => {
    await client.make(queue);
    await client.put(queue, waiting, { persistent: true });
  };
  await fill();
  const own: Own = {
    fill,
    client: () => client,
    async again() {
      client.destroy();
      client = await rabbitClient(server.url);
    },
  };
  try {
    await heldThroughAll({
      source: {
        port: () => server.port,
        spec: (port) => ({ rabbitmq: { url: `amqp://127.0.0.1:${port}`, management: { url: server.managementUrl } } }),
        waiting: () => waiting,
      },
      trigger: { rabbitmq: { queue } },
      faults: faultsOf(server, own),
      async shorten() {
        await own.again();
        const channel = await client.model.createChannel();
        waiting = 1; // from now on, not from when there was a connection to take them by
        for (let taken = 0; taken < 2; taken++) await channel.get(queue, { noAck: true });
        await channel.close();
      },
    });
  } finally {
    client.destroy();
  }
}

/** The producer. */
export type Own = Readonly<{ fill(): Promise<void>; client(): RabbitClient; again(): Promise<void> }>;
