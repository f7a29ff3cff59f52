import { startRabbit, startRabbitCluster, type TestRabbit } from "../../support/rabbitmq.ts";
import { type RabbitClient, rabbitClient } from "../../support/rabbitmq-producer.ts";
import type { RabbitSeries } from "../../support/rabbitmq-program.ts";
import { type Fault, heldThroughAll } from "./elsewhere.ts";

/** The queue in which jobs wait. */
export const queue = "backlog";

/** Who reads, where it is not the administrator. */
export type Login = Readonly<{ username: string; password: string }>;

/** Three jobs wait in a queue of a RabbitMQ, behind the proxy; its management API is not. */
export async function throughRabbit(
  faultsOf: (server: TestRabbit, own: Own) => readonly Fault[],
  { type = "classic", login }: Readonly<{ type?: string; login?: Login }> = {},
) {
  await using server = await startRabbit();
  if (login) {
    await server.api("PUT", `users/${login.username}`, { password: login.password, tags: "monitoring" });
    await server.api("PUT", `permissions/%2F/${login.username}`, { configure: "^$", write: "^$", read: "^$" });
  }
  const places = { read: server, home: server, ...typed(type), ...(login && { login }) };
  await through(places, (own) => faultsOf(server, own));
}

/** What was just taken from a quorum queue counts as in hand for some seconds. */
const typed = (type: string) => ({ options: { arguments: { "x-queue-type": type } }, tellsAtOnce: type === "classic" });

/** The same in a cluster of three nodes, read from the first; the queue is at home on the last, or there too. */
export async function throughCluster(
  { series, type, home = 2 }: Readonly<{ series: RabbitSeries; type: string; home?: 0 | 2 }>,
  faultsOf: (nodes: readonly TestRabbit[], own: Own) => readonly Fault[],
) {
  await using cluster = await startRabbitCluster(3, { series });
  const { nodes } = cluster;
  const [read, , last] = nodes as readonly [TestRabbit, TestRabbit, TestRabbit];
  await through({ read, home: home === 0 ? read : last, ...typed(type) }, (own) => faultsOf(nodes, own));
}

type Places = Readonly<{
  read: TestRabbit;
  home: TestRabbit;
  options: Readonly<Record<string, unknown>>;
  tellsAtOnce: boolean;
  login?: Login;
}>;

async function through({ read, home, options, tellsAtOnce, login }: Places, faultsOf: (own: Own) => readonly Fault[]) {
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
        spec: (port) => ({
          rabbitmq: {
            url: `amqp://127.0.0.1:${port}`,
            management: { url: read.managementUrl },
            ...(login && { username: login.username, passwordFrom: { env: "RABBITMQ_PASSWORD" } }),
          },
        }),
        waiting: () => waiting,
      },
      trigger: { rabbitmq: { queue } },
      faults: faultsOf(own),
      ...(tellsAtOnce && { shorten }),
      ...(login && { env: { RABBITMQ_PASSWORD: login.password } }),
    });
  } finally {
    client.destroy();
  }
}

/** The producer. */
export type Own = Readonly<{ fill(): Promise<void>; client(): RabbitClient; again(): Promise<void> }>;
