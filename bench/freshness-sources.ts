import { fileURLToPath } from "node:url";
import { createClient } from "@redis/client";
import { Queue } from "bullmq";
import type { AnyBroker, AnyScaler } from "../src/core/contract.ts";
import { freePort } from "../src/services/free-port.ts";
import { airflowTables } from "../test/support/airflow-tables.ts";
import { startScaler } from "../test/support/external-scaler.ts";
import { skipWithoutMaria, startMaria } from "../test/support/mariadb.ts";
import { startMonitoring } from "../test/support/monitoring.ts";
import { skipWithoutPostgres, startPostgres } from "../test/support/postgresql.ts";
import { skipWithoutRabbit, startRabbit } from "../test/support/rabbitmq.ts";
import { rabbitClient } from "../test/support/rabbitmq-producer.ts";
import { startScraped } from "../test/support/scraped.ts";
import { startRedis } from "./redis.ts";

/** A real service with one queue, and how a job gets into it. */
export type FreshSource = Readonly<{
  title: string;
  /** Types of the scaler and of its broker. */
  scaler: AnyScaler["type"];
  broker: AnyBroker["type"];
  /** As a QueueConnection says them. */
  settings: object;
  /** What stands in a Secret otherwise. */
  password?: string;
  query: unknown;
  /** Puts one job in; resolves when the service has it. */
  publish(): Promise<unknown>;
  /** No more jobs than these: where each takes a minute. */
  most?: number;
}>;

/** Samples come so often to Prometheus. */
export const scrapeMs = 5000;

/** Starts every service; what it opens goes with `undo`. */
export async function startSources(undo: AsyncDisposableStack, say: (line: string) => void): Promise<readonly FreshSource[]> {
  const all = await Promise.all([
    ...[ofRedis(undo), ofRabbit(undo, say), ofPostgres(undo, say), ofMaria(undo, say), ofPubSub(undo)],
    ...[ofExternal(undo), ofHttp(undo), ofPrometheus(undo)],
  ]);
  return all.flat();
}

async function ofRedis(undo: AsyncDisposableStack): Promise<readonly FreshSource[]> {
  const redis = undo.use(await startRedis());
  const client = createClient({ url: redis.url }).on("error", () => {});
  await client.connect();
  undo.defer(() => client.destroy());
  const queue = new Queue("fresh", { connection: client as never });
  const on = { broker: "redis", settings: { url: redis.url } } as const;
  return [
    {
      ...on,
      title: "redis, a list",
      scaler: "redis",
      query: { list: { key: "jobs" } },
      publish: () => redis.send("LPUSH", "jobs", "x"),
    },
    { ...on, title: "bullmq", scaler: "bullmq", query: { queue: "fresh" }, publish: () => queue.add("job", {}) },
    // What reads a list of Celery does not look into it.
    {
      ...on,
      title: "celery on Redis",
      scaler: "celery",
      query: { queues: ["celery"] },
      publish: () => redis.send("LPUSH", "celery", "{}"),
    },
  ];
}

async function ofRabbit(undo: AsyncDisposableStack, say: (line: string) => void): Promise<readonly FreshSource[]> {
  const missing = await skipWithoutRabbit();
  if (missing !== false) {
    say(missing);
    return [];
  }
  const server = undo.use(await startRabbit());
  const client = await rabbitClient(server.url);
  undo.defer(() => client.destroy());
  const settings = { url: server.url, management: { url: server.managementUrl } };
  const on = { broker: "rabbitmq", settings } as const;
  await client.make("classic", { arguments: { "x-queue-type": "classic" } });
  await client.make("quorum", { arguments: { "x-queue-type": "quorum" } });
  await client.make("celery");
  const put = (queue: string) => () => client.put(queue, 1, { persistent: true });
  return [
    { ...on, title: "rabbitmq, classic", scaler: "rabbitmq", query: { queue: "classic" }, publish: put("classic") },
    { ...on, title: "rabbitmq, quorum", scaler: "rabbitmq", query: { queue: "quorum" }, publish: put("quorum") },
    { ...on, title: "celery on RabbitMQ", scaler: "celery", query: { queues: ["celery"] }, publish: put("celery") },
  ];
}

const table = "CREATE TABLE jobs (queue varchar(40))";
const counted = (queue: string) => ({ query: `SELECT count(*) AS waiting FROM jobs WHERE queue = '${queue}'` });
const inserted = (queue: string) => `INSERT INTO jobs (queue) VALUES ('${queue}')`;

async function ofPostgres(undo: AsyncDisposableStack, say: (line: string) => void): Promise<readonly FreshSource[]> {
  const missing = await skipWithoutPostgres();
  if (missing !== false) {
    say(missing);
    return [];
  }
  const server = undo.use(await startPostgres());
  await server.sql(table);
  const airflow = await airflowTables(server, "3");
  const { url, password } = server;
  const on = { broker: "postgresql", settings: { url }, password } as const;
  const told = () => server.sql(inserted("told"), "NOTIFY jobs");
  return [
    { ...on, title: "postgresql", scaler: "postgresql", query: counted("polled"), publish: () => server.sql(inserted("polled")) },
    {
      ...on,
      title: "postgresql, with NOTIFY",
      scaler: "postgresql",
      query: { ...counted("told"), listen: "jobs" },
      publish: told,
    },
    { ...on, title: "airflow on PostgreSQL", scaler: "airflow", query: {}, publish: () => airflow.add({ state: "queued" }) },
  ];
}

async function ofMaria(undo: AsyncDisposableStack, say: (line: string) => void): Promise<readonly FreshSource[]> {
  const missing = await skipWithoutMaria();
  if (missing !== false) {
    say(missing);
    return [];
  }
  const server = undo.use(await startMaria());
  await server.sql(table);
  const on = { scaler: "mysql", broker: "mysql", settings: { url: server.url }, password: server.password } as const;
  return [{ ...on, title: "mysql (MariaDB)", query: counted("jobs"), publish: () => server.sql(inserted("jobs")) }];
}

/** It counts from when Cloud Monitoring shows it: how late that is, only Google can tell. */
async function ofPubSub(undo: AsyncDisposableStack): Promise<readonly FreshSource[]> {
  const monitoring = undo.use(await startMonitoring());
  const settings = { project: "worktide-bench", emulator: `127.0.0.1:${await freePort()}` };
  let undelivered = 0;
  monitoring.count("jobs", { undelivered });
  return [
    {
      title: "gcpPubSub, once Cloud Monitoring shows it",
      scaler: "gcpPubSub",
      broker: "gcpPubSub",
      settings: { ...settings, monitoringEmulator: `127.0.0.1:${monitoring.port}` },
      query: { subscription: "jobs" },
      publish: async () => monitoring.count("jobs", { undelivered: ++undelivered }),
      most: 4,
    },
  ];
}

async function ofExternal(undo: AsyncDisposableStack): Promise<readonly FreshSource[]> {
  const scaler = undo.use(await startScaler());
  const put = (queue: string) => () => scaler.tell("put", { queue, jobs: 1 });
  const on = { scaler: "external", broker: "external", settings: { address: scaler.address } } as const;
  await scaler.tell("make", { queue: "keda" });
  await scaler.tell("make", { queue: "readings" });
  return [
    { ...on, title: "external, KEDA's contract", query: { metadata: { queue: "keda" } }, publish: put("keda") },
    {
      ...on,
      title: "external, our own contract",
      query: { contract: "worktide", metadata: { queue: "readings" } },
      publish: put("readings"),
    },
  ];
}

async function ofHttp(undo: AsyncDisposableStack): Promise<readonly FreshSource[]> {
  const args = [fileURLToPath(new URL("../test/support/http-jobs-program.ts", import.meta.url))];
  const service = undo.use(await startScaler({}, { command: process.execPath, args }));
  await service.tell("make", { queue: "jobs" });
  const publish = () => service.tell("put", { queue: "jobs", jobs: 1 });
  const query = { path: "/queues/jobs", waiting: "$.waiting" };
  return [{ title: "http", scaler: "http", broker: "http", settings: { url: `http://${service.address}` }, query, publish }];
}

async function ofPrometheus(undo: AsyncDisposableStack): Promise<readonly FreshSource[]> {
  const scraped = undo.use(await startScraped({ everyMs: scrapeMs }));
  let waiting = 0;
  await scraped.set("jobs", waiting);
  // It counts from when the exporter tells it, not from when it was scraped.
  const publish = async () => void scraped.set("jobs", ++waiting);
  const settings = { url: scraped.prometheus.url };
  return [{ title: "prometheus", scaler: "prometheus", broker: "prometheus", settings, query: { waiting: "jobs" }, publish }];
}
