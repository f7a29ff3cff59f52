import { execFile } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { Agent, type Dispatcher, request } from "undici";
import { environment, type House, launch, type NodeOptions, openHouse, type Place, signal } from "./rabbitmq-node.ts";
import { findRabbit, type RabbitSeries } from "./rabbitmq-program.ts";
import { waitFor } from "./wait.ts";

const run = promisify(execFile);

export type RabbitOptions = NodeOptions & Readonly<{ series?: RabbitSeries }>;

/** A RabbitMQ server for one test file: on the loopback, with ports, an epmd and a folder of its own. */
export interface TestRabbit extends AsyncDisposable {
  /** Of the vhost "/", without a login: guest may log in from here. */
  readonly url: string;
  readonly port: number;
  /** Of the management API, without a slash at its end. */
  readonly managementUrl: string;
  stop(): Promise<void>;
  kill9(): Promise<void>;
  /** Ends it in order, as a node that is taken down; {@link restart} brings it back. */
  halt(): Promise<void>;
  /** Kills it (or lets it end in order) and starts it again at the same ports, with what it kept on disk, or without. */
  restart(change?: Readonly<{ config?: readonly string[]; wipe?: boolean; inOrder?: boolean }>): Promise<void>;
  /** Freezes it: the kernel still acknowledges, nothing answers. */
  stopProcess(): void;
  contProcess(): void;
  /** The management API as guest; what it answers in JSON. Throws unless it is a success. */
  api(method: string, path: string, body?: unknown): Promise<unknown>;
  /** `rabbitmqctl`, for what the API cannot do. Takes about 2 s. */
  ctl(...words: string[]): Promise<string>;
  logTail(): string;
}

/** Nodes that form one cluster. */
export type TestRabbitCluster = AsyncDisposable & Readonly<{ nodes: readonly TestRabbit[] }>;

/** Why there is no RabbitMQ for tests; false where there is one. The first call on a machine fetches it. */
export async function skipWithoutRabbit(series?: RabbitSeries): Promise<string | false> {
  const found = await findRabbit(series);
  return "missing" in found ? found.missing : false;
}

/** Starts one; `await using` or {@link TestRabbit.stop} ends it. */
export async function startRabbit({ series, ...options }: RabbitOptions = {}): Promise<TestRabbit> {
  const cluster = await startRabbitCluster(1, { ...options, ...(series && { series }) });
  const [node] = cluster.nodes;
  if (node === undefined) throw new Error("a cluster of one has one node");
  const stop = async () => cluster[Symbol.asyncDispose]();
  return { ...node, stop, [Symbol.asyncDispose]: stop };
}

/** Starts so many nodes, which find each other. */
export async function startRabbitCluster(
  size: number,
  { series, config = [], ...options }: RabbitOptions = {},
): Promise<TestRabbitCluster> {
  const house = await openHouse(size, series);
  const { places } = house;
  const peers = places.map(({ name }, index) => `cluster_formation.classic_config.nodes.${index + 1} = ${name}`);
  const lines = size === 1 ? config : ["cluster_formation.peer_discovery_backend = classic_config", ...peers, ...config];
  const begin = (place: Place) => startNode(house, place, { ...options, config: lines });
  // Side by side two of them may each find nobody, and found a cluster.
  const [first, ...others] = places as readonly [Place, ...Place[]];
  const started = await Promise.allSettled([begin(first)]);
  if (started[0]?.status === "fulfilled") started.push(...(await Promise.allSettled(others.map(begin))));
  const nodes = started.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  const close = async () => {
    await Promise.all(nodes.map((node) => node.stop()));
    await house[Symbol.asyncDispose]();
  };
  try {
    for (const one of started) if (one.status === "rejected") throw one.reason;
    if (size > 1) await Promise.all(nodes.map((node) => seesAll(node, size)));
  } catch (error) {
    await close();
    throw error;
  }
  return { nodes, [Symbol.asyncDispose]: close };
}

async function seesAll(node: TestRabbit, size: number): Promise<void> {
  await waitFor(`the node at ${node.url} to see all ${size} of its cluster`, async () => {
    const seen = (await node.api("GET", "nodes?columns=running")) as readonly Readonly<{ running: boolean }>[];
    return seen.filter(({ running }) => running).length === size;
  });
}

async function startNode(house: House, place: Place, { config = [], ...options }: NodeOptions): Promise<TestRabbit> {
  const { dir, port, http } = place;
  let lines = config;
  let server = await launch(house, place, { ...options, config });
  const kill9 = async () => {
    signal(server.child, "SIGKILL");
    await server.exited;
  };
  const stop = async () => {
    await kill9();
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  };
  const halt = async () => {
    signal(server.child, "SIGTERM");
    await server.exited;
  };
  const managementUrl = `${options.tls ? "https" : "http"}://127.0.0.1:${http}`;
  return {
    url: `${options.tls ? "amqps" : "amqp"}://127.0.0.1:${port}`,
    port,
    managementUrl,
    stop,
    [Symbol.asyncDispose]: stop,
    kill9,
    halt,
    async restart(change = {}) {
      // A quorum queue that is some seconds old does not survive kill -9: its name is written down late.
      await (change.inOrder ? halt() : kill9());
      lines = change.config ?? lines;
      if (change.wipe) await rm(join(dir, "mnesia"), { recursive: true, force: true, maxRetries: 5 });
      server = await launch(house, place, { ...options, config: lines });
    },
    stopProcess: () => signal(server.child, "SIGSTOP"),
    contProcess: () => signal(server.child, "SIGCONT"),
    api: (method, path, body) => callApi(managementUrl, method, path, body),
    ctl: async (...words) => (await run(house.program.ctl, words, { env: environment(house, place) })).stdout,
    logTail: () => server.log.join("\n"),
  };
}

/** Of a certificate that the test made nobody knows the authority. */
const trusting = new Agent({ connect: { rejectUnauthorized: false }, headersTimeout: 20_000 });

async function callApi(base: string, method: string, path: string, body: unknown): Promise<unknown> {
  const { statusCode, body: answer } = await request(`${base}/api/${path}`, {
    dispatcher: trusting,
    method: method as Dispatcher.HttpMethod,
    headers: { authorization: `Basic ${btoa("guest:guest")}`, "content-type": "application/json" },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (statusCode >= 300) throw new Error(`${method} ${path}: ${statusCode} ${text}`);
  return text === "" ? undefined : JSON.parse(text);
}
