import { suite, test } from "node:test";
import { skipWithoutRabbit, startRabbit, type TestRabbit } from "../support/rabbitmq.ts";
import { type RabbitClient, rabbitClient } from "../support/rabbitmq-producer.ts";
import { type Fault, heldThroughAll, networkFaults } from "./support/elsewhere.ts";

const skip = await skipWithoutRabbit();
const queue = "backlog";

/** Three jobs wait in a queue of a RabbitMQ, behind the proxy; its management API is not. */
async function through(options: Parameters<typeof startRabbit>[0], faultsOf: (server: TestRabbit, own: Own) => readonly Fault[]) {
  await using server = await startRabbit(options);
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
        waiting = 1;
        await own.again();
        const channel = await client.model.createChannel();
        for (let taken = 0; taken < 2; taken++) await channel.get(queue, { noAck: true });
        await channel.close();
      },
    });
  } finally {
    client.destroy();
  }
}

type Own = Readonly<{ fill(): Promise<void>; client(): RabbitClient; again(): Promise<void> }>;

suite("RabbitMQ goes away under workers", { skip, concurrency: 2 }, () => {
  test("refused, silent, half-open at the handshake, stopped, killed and back without statistics: held; read through a memory alarm (rows 1, 4, 5, 7, 40, 50)", () =>
    through({}, (server, { again }) => [
      ...networkFaults,
      {
        name: "mute",
        sees: "timeout",
        async begin({ proxy }) {
          await proxy.set({ kind: "mute" });
          proxy.cut();
        },
        end: ({ proxy }) => proxy.set({ kind: "pass" }),
      },
      {
        name: "memory alarm",
        sees: undefined,
        begin: () => server.ctl("set_vm_memory_high_watermark", "0.00001"),
        end: () => server.ctl("set_vm_memory_high_watermark", "0.4"),
      },
      { name: "SIGSTOP", sees: "timeout", begin: server.stopProcess, end: server.contProcess },
      {
        name: "kill -9",
        sees: "unreachable",
        begin: server.kill9,
        async end() {
          await server.restart();
          await again();
        },
      },
    ]));

  test("a queue that is deleted is no empty one, and comes back by being declared (rows 31, 51)", () =>
    through({}, (_, { client, fill }) => [
      {
        name: "deleted",
        sees: "missing",
        outage: false,
        async begin() {
          const channel = await client().model.createChannel();
          await channel.deleteQueue(queue);
          await channel.close();
        },
        end: fill,
      },
    ]));
});
