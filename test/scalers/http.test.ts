import { fileURLToPath } from "node:url";
import { http } from "../../scalers/http.ts";
import { httpBroker } from "../../src/brokers/web-broker.ts";
import { type ScalerWorld, testScaler } from "../conformance/scaler.ts";
import { type Program, startScaler } from "../support/external-scaler.ts";

const program: Program = {
  command: process.execPath,
  args: [fileURLToPath(new URL("../support/http-jobs-program.ts", import.meta.url))],
};

async function startWorld(format: "json" | "prometheus"): Promise<ScalerWorld> {
  const token = "t0ken";
  const service = await startScaler({ token }, program);
  const settings = { ...httpBroker.settings.parse({ url: `http://${service.address}` }), token };
  const series = (name: string, queue: string) => `${name}{queue=${JSON.stringify(queue)}}`;
  return {
    settings,
    wrongSettings: { ...settings, token: "wr0ng" },
    absent: "missing",
    unnoticed: true,
    query: (queue) =>
      format === "json"
        ? { path: `/queues/${encodeURIComponent(queue)}`, waiting: "$.waiting", running: "$.running" }
        : { path: "/metrics", format, waiting: series("jobs_waiting", queue), running: series("jobs_running", queue) },
    make: async (queue) => void (await service.tell("make", { queue })),
    put: async (queue, jobs) => void (await service.tell("put", { queue, jobs })),
    take: async (queue, jobs) => void (await service.tell("take", { queue, jobs })),
    spoil: async (queue) => void (await service.tell("spoil", { queue })),
    kill: service.kill9,
    revive: service.restart,
    freeze: service.freeze,
    [Symbol.asyncDispose]: () => service[Symbol.asyncDispose](),
  };
}

testScaler({ title: "http, of JSON", scaler: http, broker: httpBroker, start: () => startWorld("json") });
testScaler({
  title: "http, of Prometheus' text format",
  scaler: http,
  broker: httpBroker,
  start: () => startWorld("prometheus"),
});
