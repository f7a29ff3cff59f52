import assert from "node:assert/strict";
import { gcpPubSub } from "../../../scalers/gcpPubSub.ts";
import { monotonicMs } from "../../../src/brokers/clock.ts";
import type { ProblemKind } from "../../../src/core/contract.ts";
import { decide } from "../../../src/core/decide.ts";
import { emptyMemory, type Memory } from "../../../src/core/memory.ts";
import { createObserver } from "../../../src/observe/create-observer.ts";
import type { Observed } from "../../../src/observe/observer.ts";
import { freePort } from "../../../src/services/free-port.ts";
import { rulesOf } from "../../control/rig.ts";
import { pool, trigger } from "../../core/situation.ts";
import { startMonitoring } from "../../support/monitoring.ts";
import { startProxy } from "../../support/proxy.ts";
import { settingsFor, testBroker } from "../../support/pubsub.ts";
import { waitFor } from "../../support/wait.ts";

/** Messages of the subscription, and workers of its pool. */
export const size = 3;

/** A subscription with three messages, read through a proxy; each reading is decided on for a pool of three. */
export async function openStage() {
  await using undo = new AsyncDisposableStack();
  const unused = await freePort();
  const monitoring = undo.use(await startMonitoring());
  const proxy = undo.use(await startProxy(() => monitoring.port));
  const count = () => monitoring.count("mails", { undelivered: size });
  count();
  const counting = setInterval(count, 100);
  undo.defer(() => clearInterval(counting));
  const seen: Observed[] = [];
  const sizes: number[] = [];
  const turns: string[] = [];
  let memory: Memory = emptyMemory;
  const goal = { kind: "waitingPerReplica", jobs: 1 } as const;
  const rules = rulesOf({ scaleDown: { protect: "grace", cooldownMs: 0 }, triggers: [trigger({ goal })] });
  const observer = undo.use(
    createObserver({
      brokers: new Map([["gcpPubSub", testBroker]]),
      clock: monotonicMs,
      random: Math.random,
      deadlineMs: 2000,
      dialDeadlineMs: 2500,
      onConnection: ({ up, problem }) => void turns.push(up ? "up" : (problem?.kind ?? "down")),
    }),
  );
  const settings = async () => settingsFor({ emulator: unused, monitoring: proxy.port });
  const watching = observer.watch(
    {
      scaler: gcpPubSub,
      query: gcpPubSub.query.parse({ subscription: "mails" }),
      intervalMs: 200,
      connection: { name: "default/google", type: "gcpPubSub", key: "google", settings },
    },
    (observed) => {
      seen.push(observed);
      const observations = [observed.observation];
      const made = decide({ rules, pool: pool(size), observations, memory, now: monotonicMs() });
      memory = made.memory;
      sizes.push(made.decision.to);
    },
  );
  const good = (ms?: number) =>
    waitFor("a good reading", () => seen.length > 0 && watching.observation().failure === undefined, ms);
  await good();
  const owned = undo.move();
  return {
    ...{ monitoring, proxy, seen, turns, good },
    stopCounting: () => clearInterval(counting),
    problem: () => watching.observation().failure?.problem,
    sees: (kind: ProblemKind) => waitFor(`the problem ${kind}`, () => watching.observation().failure?.problem.kind === kind),
    /** So many more outcomes, good ones or bad ones. */
    outcomes(more: number) {
      const before = seen.length;
      return waitFor(`${more} outcomes`, () => seen.length >= before + more);
    },
    /** Nothing that was read was anything but the three that there are, and nothing made the pool smaller. */
    judge() {
      for (const { observation } of seen) {
        if (observation.reading !== undefined) assert.equal(observation.reading.waiting, size);
      }
      assert.deepEqual(
        sizes.filter((each) => each < size),
        [],
      );
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
export type Stage = Awaited<ReturnType<typeof openStage>>;
