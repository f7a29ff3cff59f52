import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { monotonicMs } from "../../src/brokers/clock.ts";
import type { ProblemKind } from "../../src/core/contract.ts";
import type { ProxyMode } from "../support/proxy.ts";
import { waitFor } from "../support/wait.ts";
import { openStage, type Stage, size } from "./support/pubsub.ts";

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
