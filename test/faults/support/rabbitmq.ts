import { startRabbit, startRabbitCluster, type TestRabbit } from "../../support/rabbitmq.ts";
import { type RabbitClient, rabbitClient } from "../../support/rabbitmq-producer.ts";
import type { RabbitSeries } from "../../support/rabbitmq-program.ts";
import { type Fault, heldThroughAll } from "./elsewhere.ts";

/** The queue in which jobs wait. */
export const queue = "backlog";

/** Three jobs wait in a queue of a RabbitMQ, behind the proxy; its management API is not. */
export async function throughRabbit(faultsOf: (server: TestRabbit, own: Own) => readonly Fault[]) {
  await using server = await startRabbit();
  await through({ read: server, home: server, options: {} }, (own) => faultsOf(server, own));
}

/** The same in a cluster of three nodes, read from the first; the queue is at home on the last. */
export async function throughCluster(
  { series, type }: Readonly<{ series: RabbitSeries; type: string }>,
  faultsOf: (nodes: readonly TestRabbit[], own: Own) => readonly Fault[],
) {
  await using cluster = await startRabbitCluster(3, { series });
  const { nodes } = cluster;
  const [read, , home] = nodes as readonly [TestRabbit, TestRabbit, TestRabbit];
  await through({ read, home, options: { arguments: { "x-queue-type": type } }, tellsAtOnce: type === "classic" }, (own) =>
    faultsOf(nodes, own),
  );
}

type Places = Readonly<{
  read: TestRabbit;
  home: TestRabbit;
  options: Readonly<Record<string, unknown>>;
  /** What was just taken from a quorum queue counts as in hand for some seconds. */
  tellsAtOnce?: boolean;
}>;

async function through({ read, home, options, tellsAtOnce = true }: Places, faultsOf: (own: Own) => readonly Fault[]) {
  let client = await rabbitClient(home.url);
  let waiting = 3;
  const fill = async () => {
    await client.make(queue, options);
    await client.put(queue, waiting, { persistent: true });
  };
  await fill();
  const own: Own = {
    fill,
    client: () => client,
    async again() {
      client.destroy();
      client = await rabbitClient(home.url);
    },
  };
  const shorten = async () => {
    await own.again();
    const channel = await client.model.createChannel();
    waiting = 1; // from now on, not from when there was a connection to take them by
    for (let taken = 0; taken < 2; taken++) await channel.get(queue, { noAck: true });
    await channel.close();
  };
  try {
    await heldThroughAll({
      source: {
        port: () => read.port,
        spec: (port) => ({ rabbitmq: { url: `amqp://127.0.0.1:${port}`, management: { url: read.managementUrl } } }),
        waiting: () => waiting,
      },
      trigger: { rabbitmq: { queue } },
      faults: faultsOf(own),
      ...(tellsAtOnce && { shorten }),
    });
  } finally {
    client.destroy();
  }
}

/** The producer. */
export type Own = Readonly<{ fill(): Promise<void>; client(): RabbitClient; again(): Promise<void> }>;
