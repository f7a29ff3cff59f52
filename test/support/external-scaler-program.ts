// An external scaler in a process of its own: KEDA's contract, Worktide's, or both, over queues that the test fills by lines of
// JSON on its input. Each line is answered by one with the same id.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";
import type { ScalerOptions } from "./external-scaler.ts";

type Queue = { waiting: number; running: number; paused: boolean; due: number[]; value?: number | undefined };
type Watcher = { queue: string; tell(): void };
type Command = {
  id: number;
  op: string;
  queue: string;
  jobs: number;
  ms?: number;
  on?: boolean;
  value?: number;
  status?: number;
};

const options = JSON.parse(process.argv[2] ?? "{}") as ScalerOptions & { port: number };
const queues = new Map<string, Queue>();
const watchers = new Set<Watcher>();
/** Every method answers with this status, as long as it is set; every stream ends with it. */
let status: number | undefined;
let calls: Record<string, number> = {};

const protos = new URL("../../src/brokers/protos/", import.meta.url).pathname;
const definition = loader.loadSync(
  ["externalscaler.proto", "readings.proto"].map((file) => protos + file),
  { keepCase: true, longs: Number, defaults: true },
);

type Metadata = Record<string, string>;
// biome-ignore lint/suspicious/noExplicitAny: a call of any method.
type Call = any;

const refused = (call: Call, name: string) => {
  calls[name] = (calls[name] ?? 0) + 1;
  if (status !== undefined)
    return { code: status, details: `told to answer ${status}, apiKey=${call.request?.scalerMetadata?.apiKey}` };
  const told = String(call.metadata.get("authorization")[0] ?? "");
  return options.token === undefined || told === `Bearer ${options.token}` ? undefined : { code: 16, details: "who are you?" };
};

const unary =
  (name: string, answer: (request: Call) => object) => (call: Call, reply: (error: object | null, value?: object) => void) => {
    const problem = refused(call, name);
    if (problem) return reply(problem);
    try {
      reply(null, answer(call.request));
    } catch (error) {
      reply({ code: 5, details: (error as Error).message });
    }
  };

const stream =
  (name: string, metadataOf: (request: Call) => Metadata, tell: (queue: Queue | undefined) => object) => (call: Call) => {
    const problem = refused(call, name);
    if (problem) return call.emit("error", problem);
    const queue = metadataOf(call.request)["queue"] ?? "";
    const watcher = {
      queue,
      tell: () => void call.write(tell(queues.get(queue))),
      end: () => call.emit("error", { code: 14, details: "gone" }),
    };
    watchers.add(watcher);
    call.on("cancelled", () => watchers.delete(watcher));
  };

function queueOf(metadata: Metadata): Queue {
  const queue = queues.get(metadata["queue"] ?? "");
  if (queue === undefined) throw new Error(`there is no queue ${metadata["queue"]}`);
  return queue;
}

const keda = {
  IsActive: unary("IsActive", ({ scalerMetadata }) => ({ result: valueIn(queueOf(scalerMetadata)) > 0 })),
  StreamIsActive: stream(
    "StreamIsActive",
    ({ scalerMetadata }) => scalerMetadata,
    (queue) => ({ result: (queue?.waiting ?? 0) > 0 }),
  ),
  GetMetricSpec: unary("GetMetricSpec", () => ({ metricSpecs: [{ metricName: "jobs", targetSizeFloat: 5 }] })),
  GetMetrics: unary("GetMetrics", ({ scaledObjectRef, metricName }) => {
    const value = valueIn(queueOf(scaledObjectRef.scalerMetadata));
    // Older scalers know the whole number only.
    return {
      metricValues: Number.isInteger(value) ? [{ metricName, metricValue: value }] : [{ metricName, metricValueFloat: value }],
    };
  }),
};

const valueIn = ({ value, waiting }: Queue): number => value ?? waiting;

const readings = {
  Read: unary("Read", ({ queries }: { queries: { metadata: Metadata }[] }) => ({
    results: queries.map(({ metadata }) => {
      const queue = queues.get(metadata["queue"] ?? "");
      return queue
        ? { reading: readingOf(queue) }
        : { problem: { message: `there is no queue '${metadata["queue"]}'`, missing: true } };
    }),
  })),
  Watch: stream(
    "Watch",
    ({ metadata }) => metadata,
    () => ({}),
  ),
};

function readingOf(queue: Queue) {
  const { waiting, running, paused, due, value } = queue;
  const soon = due.filter((at) => at < Date.now() + 30_000).length;
  return {
    waiting: value ?? waiting,
    running,
    due_soon: soon,
    workers: { workers: running > 0 ? [{ id: "w1", host: "here", busy: running }] : [] },
    epoch: `run-${process.pid}`,
    ...(paused && { ceiling: 0, ceiling_reason: "paused" }),
  };
}

const changed = (name: string) => {
  for (const { queue, tell } of watchers) if (queue === name) tell();
};

const operations: Record<string, (command: Command, queue: Queue) => unknown> = {
  make: () => {},
  put: ({ jobs }, queue) => (queue.waiting += jobs),
  take({ jobs }, queue) {
    queue.waiting -= jobs;
    queue.running += jobs;
  },
  end: ({ jobs }, queue) => (queue.running -= jobs),
  delay: ({ jobs, ms = 0 }, queue) => queue.due.push(...Array(jobs).fill(Date.now() + ms)),
  pause: ({ on = false }, queue) => (queue.paused = on),
  value: ({ value }, queue) => (queue.value = value ?? Number.NaN),
  answer(command) {
    status = command.status;
  },
  calls() {
    const before = calls;
    calls = {};
    return before;
  },
};

const server = new grpc.Server();
// biome-ignore lint/suspicious/noExplicitAny: definitions that were loaded at run time.
const serve = (name: string, methods: object) => server.addService((definition as any)[name], methods as never);
if (options.contracts?.includes("keda") ?? true) serve("externalscaler.ExternalScaler", keda);
if (options.contracts?.includes("worktide") ?? true) serve("worktide.v1.Readings", readings);
const { tls } = options;
const credentials = tls
  ? grpc.ServerCredentials.createSsl(
      tls.clientCa === undefined ? null : readFileSync(tls.clientCa),
      [{ cert_chain: readFileSync(tls.cert), private_key: readFileSync(tls.key) }],
      tls.clientCa !== undefined,
    )
  : grpc.ServerCredentials.createInsecure();
server.bindAsync(`127.0.0.1:${options.port}`, credentials, (error, port) => {
  if (error) throw error;
  console.log(JSON.stringify({ port }));
});
createInterface({ input: process.stdin })
  .on("line", (line) => {
    const command = JSON.parse(line) as Command;
    const queue = queues.get(command.queue) ?? { waiting: 0, running: 0, paused: false, due: [] };
    if (command.queue !== undefined) queues.set(command.queue, queue);
    const answer = operations[command.op]?.(command, queue);
    if (command.queue !== undefined) changed(command.queue);
    console.log(JSON.stringify({ id: command.id, answer: typeof answer === "object" ? answer : undefined }));
  })
  .on("close", () => process.exit());
