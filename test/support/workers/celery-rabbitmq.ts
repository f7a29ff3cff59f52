import { rabbitBroker } from "../../../src/brokers/rabbitmq.ts";
import type { RabbitReader } from "../../../src/brokers/rabbitmq-client.ts";
import { startRabbit } from "../rabbitmq.ts";
import { settingsFor } from "../rabbitmq-lab.ts";
import { rabbitClient } from "../rabbitmq-producer.ts";
import { labOn } from "./celery.ts";

export type RabbitCeleryLab = Awaited<ReturnType<typeof openRabbitCeleryLab>>;

/** A RabbitMQ of its own with a session of ours to it, real producers and real workers. */
export async function openRabbitCeleryLab() {
  const server = await startRabbit();
  const client = await rabbitClient(server.url);
  const queues = async () => (await server.api("GET", "queues/%2F?columns=name")) as readonly { name: string }[];
  const lab = await labOn<RabbitReader>({
    env: { CELERY_BROKER: server.url.replace("//", "//guest:guest@") },
    open: (signal) => rabbitBroker.open(settingsFor(server), signal),
    async clear() {
      const all = (await queues()).map(({ name }) => name).filter((name) => !/pidbox|celeryev/.test(name));
      for (const name of all) await server.api("DELETE", `queues/%2F/${encodeURIComponent(name)}`);
      await client.make("celery");
    },
    async stop() {
      client.destroy();
      await server.stop();
    },
  });
  /** What AMQP tells of a queue: ready messages. */
  const depth = async (queue = "celery"): Promise<number> => {
    const channel = await client.model.createChannel();
    try {
      return (await channel.checkQueue(queue)).messageCount;
    } finally {
      await channel.close();
    }
  };
  return { ...lab, server, client, depth };
}
