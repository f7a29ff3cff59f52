import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { gcpPubSub } from "../../scalers/gcpPubSub.ts";
import { monotonicMs } from "../../src/brokers/clock.ts";
import type { ProblemKind } from "../../src/core/contract.ts";
import { decide } from "../../src/core/decide.ts";
import { emptyMemory, type Memory } from "../../src/core/memory.ts";
import { createObserver } from "../../src/observe/create-observer.ts";
import type { Observed } from "../../src/observe/observer.ts";
import { freePort } from "../../src/services/free-port.ts";
import { rulesOf } from "../control/rig.ts";
import { pool, trigger } from "../core/situation.ts";
import { startMonitoring } from "../support/monitoring.ts";
import { type ProxyMode, startProxy } from "../support/proxy.ts";
import { settingsFor, testBroker } from "../support/pubsub.ts";
import { waitFor } from "../support/wait.ts";

const size = 3;

/** A subscription with three messages, read through a proxy; each reading is decided on for a pool of three. */
async function openStage() {
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
  const good = () => waitFor("a good reading", () => seen.length > 0 && watching.observation().failure === undefined);
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
type Stage = Awaited<ReturnType<typeof openStage>>;

/** A fault that is seen as that kind, told once, and over by itself. */
async function during(kind: ProblemKind, begin: (stage: Stage) => unknown, end: (stage: Stage) => unknown): Promise<void> {
  await using stage = await openStage();
  await begin(stage);
  await stage.sees(kind);
  const told = stage.turns.length;
  await stage.outcomes(3);
  assert.ok(stage.turns.length <= told + 1, `told once: ${stage.turns}`);
  await end(stage);
  await stage.good();
  assert.equal(stage.turns.at(-1), "up");
  stage.judge();
}

const answer = (code: number) => [({ monitoring }: Stage) => monitoring.fail({ code }), answerAgain] as const;
const answerAgain = ({ monitoring }: Stage) => monitoring.fail(undefined);
const way = (kind: "refuse" | "hole" | "mute", cut: boolean) =>
  [
    async ({ proxy }: Stage) => {
      await proxy.set({ kind } satisfies ProxyMode);
      if (cut) proxy.cut();
    },
    ({ proxy }: Stage) => proxy.set({ kind: "pass" }),
  ] as const;

suite("Cloud Monitoring fails", { concurrency: 4 }, () => {
  test("it answers UNAVAILABLE (row 1)", () => during("unreachable", ...answer(14)));

  test("it answers DEADLINE_EXCEEDED (row 42)", () => during("timeout", ...answer(4)));

  test("it answers RESOURCE_EXHAUSTED: the quota is used up (row 81)", () => during("limit", ...answer(8)));

  test("it answers UNKNOWN, which says nothing", () => during("invalid", ...answer(2)));

  test("it is down, refuses, and comes back (rows 1, 5)", () => during("unreachable", ...way("refuse", true)));

  test("it is silent: the connection is there and nothing comes (row 4)", () => during("timeout", ...way("hole", false)));

  test("it takes connections and never answers a word (row 40)", () => during("timeout", ...way("mute", true)));

  test("it is slower than the deadline (row 42)", () =>
    during("timeout", ({ monitoring }) => monitoring.fail({ delayMs: 5000 }), answerAgain));

  test("it answers in time, but slowly: that is no failure (row 42)", async () => {
    await using stage = await openStage();
    const told = stage.turns.length;
    stage.monitoring.fail({ delayMs: 150 });
    await stage.outcomes(10);
    stage.judge();
    assert.deepEqual(stage.turns.slice(told), []);
  });

  test("an old connection is half-open, and a new one works (row 4)", async () => {
    await using stage = await openStage();
    await stage.proxy.set({ kind: "freeze" });
    await stage.sees("timeout");
    await stage.good();
    stage.judge();
  });

  test("the rights are taken away: said as such, and not asked again in a hurry (row 16)", async () => {
    await using stage = await openStage();
    stage.monitoring.fail({ code: 7, details: "Permission monitoring.timeSeries.list denied" });
    await stage.sees("auth");
    assert.match(stage.problem()?.message ?? "", /PERMISSION_DENIED: Permission monitoring.timeSeries.list denied/);
    const asked = stage.monitoring.requests.length;
    await stage.outcomes(5);
    assert.ok(stage.monitoring.requests.length - asked <= 1, "half a minute lies between two tries");
    stage.judge();
  });

  test("its numbers are minutes old, then there are none: known as old, then not known (row 53)", async () => {
    await using stage = await openStage();
    const told = stage.turns.length;
    stage.stopCounting();
    stage.monitoring.forget();
    stage.monitoring.count("mails", { undelivered: size, at: Date.now() - 200_000 });
    await waitFor("an old number", () => {
      const { reading } = stage.seen.at(-1)?.observation ?? {};
      return reading !== undefined && monotonicMs() - reading.sampledAt >= 200_000;
    });
    stage.monitoring.forget();
    await stage.sees("loading");
    stage.monitoring.count("mails", { undelivered: size, at: Date.now() - 100_000 });
    await stage.good();
    stage.judge();
    assert.deepEqual(stage.turns.slice(told), [], "a gap of one subscription is no fault of the connection");
  });
});
