import { external } from "../../scalers/external.ts";
import { externalBroker } from "../../src/brokers/external.ts";
import { type ScalerWorld, testScaler } from "../conformance/scaler.ts";
import { startScaler } from "../support/external-scaler.ts";

async function startWorld(contract: "keda" | "worktide"): Promise<ScalerWorld> {
  const token = "t0ken";
  const scaler = await startScaler({ contracts: [contract], token });
  const settings = { ...externalBroker.settings.parse({ address: scaler.address }), token };
  const whole = contract === "worktide";
  return {
    settings,
    wrongSettings: { ...settings, token: "wr0ng" },
    absent: "missing",
    query: (queue) => ({ contract, metadata: { queue } }),
    make: async (queue) => void (await scaler.tell("make", { queue })),
    put: async (queue, jobs) => void (await scaler.tell("put", { queue, jobs })),
    take: async (queue, jobs) => void (await scaler.tell("take", { queue, jobs })),
    ...(whole && {
      delay: async (queue: string, jobs: number, ms: number) => void (await scaler.tell("delay", { queue, jobs, ms })),
      pause: async (queue: string, on: boolean) => void (await scaler.tell("pause", { queue, on })),
    }),
    ...(!whole && { spoil: async (queue: string) => void (await scaler.tell("value", { queue })) }),
    kill: scaler.kill9,
    revive: scaler.restart,
    freeze: scaler.freeze,
    [Symbol.asyncDispose]: () => scaler[Symbol.asyncDispose](),
  };
}

testScaler({
  title: "external, written for KEDA",
  scaler: external,
  broker: externalBroker,
  start: () => startWorld("keda"),
});
testScaler({
  title: "external, which tells whole readings",
  scaler: external,
  broker: externalBroker,
  start: () => startWorld("worktide"),
});
