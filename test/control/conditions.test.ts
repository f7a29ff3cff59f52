import assert from "node:assert/strict";
import { test } from "node:test";
import type { ConditionType } from "../../src/api/conditions.ts";
import { type ConditionInput, deriveConditions } from "../../src/control/conditions.ts";
import type { Observation, Problem } from "../../src/core/contract.ts";
import type { Decision, Reason, TriggerView } from "../../src/core/decision.ts";
import type { Rules } from "../../src/core/spec.ts";
import type { TargetTrouble } from "../../src/targets/target.ts";

const now = 10_000_000;
const at = "2026-01-01T00:00:00.000Z";
const still = { stabilizationWindowSeconds: 0, selectPolicy: "Max", policies: [], tolerance: 0 } as const;
const rules: Rules = {
  generation: 1,
  replicas: { min: 0, max: 20, idle: 0 },
  triggers: [
    { name: "mails", goal: { kind: "waitingPerReplica", jobs: 50 }, activation: 0, intervalMs: 1_000 },
    { name: "images", goal: { kind: "waitingPerReplica", jobs: 50 }, activation: 0, intervalMs: 1_000 },
  ],
  concurrency: 1,
  scaleDown: { protect: "busy", cooldownMs: 60_000 },
  behavior: { scaleUp: still, scaleDown: still },
  staleAfterMs: 60_000,
  mode: "Scale",
};
const view = (active: boolean, state: TriggerView["state"] = "known"): TriggerView => ({
  name: "mails",
  state,
  active,
  reading: "",
  goal: "",
});
const decision = (reason: Reason, over: Partial<Decision> = {}): Decision => ({
  from: 4,
  to: 4,
  rule: "demand",
  reason,
  summary: "so it is",
  triggers: [view(true)],
  steps: [],
  ...over,
});
const fresh: Observation = { reading: { waiting: 1, sampledAt: now - 100 }, sentAt: now - 100 };
const unread: Observation = {};
const failing = (forMs: number, kind: Problem["kind"] = "timeout", ageMs = forMs): Observation => ({
  reading: { sampledAt: now - ageMs },
  sentAt: now - ageMs,
  failure: { problem: { kind, message: "no answer" }, since: now - forMs, count: 3 },
});
const never = (forMs: number): Observation => ({
  failure: { problem: { kind: "unreachable", message: "refused" }, since: now - forMs, count: 3 },
});
const crash: TargetTrouble = { reason: "CrashLooping", message: "exits with 1", since: now };
const input = (over: Partial<ConditionInput> = {}): ConditionInput => ({
  rules,
  observations: [fresh, fresh],
  decision: decision("WorkWaiting"),
  now,
  at,
  ...over,
});

type Case = readonly [what: string, type: ConditionType, over: Partial<ConditionInput>, expected: string];

const cases: readonly Case[] = [
  ["reads and acts", "Ready", {}, "True Working"],
  ["at zero replicas it stays ready", "Ready", { decision: decision("Empty", { to: 0 }) }, "True Working"],
  ["crashing workers", "Ready", { trouble: crash }, "False CrashLooping"],
  ["a worker slow to stop", "Ready", { trouble: { ...crash, reason: "StopOverdue" } }, "True Working"],
  ["an outage within the grace", "Ready", { observations: [fresh, failing(59_000)] }, "True Working"],
  ["an outage past the grace", "Ready", { observations: [fresh, failing(61_000)] }, "False QueueUnreachable"],
  ["a credential that is refused", "Ready", { observations: [failing(61_000, "auth"), fresh] }, "False Forbidden"],
  [
    "a connection that is not declared, at once",
    "Ready",
    { observations: [failing(0, "connection"), fresh] },
    "False ConnectionNotFound",
  ],
  ["a Secret that is missing, at once", "Ready", { observations: [failing(0, "secret"), fresh] }, "False SecretNotFound"],
  ["a queue that is not there", "Ready", { observations: [failing(61_000, "missing"), fresh] }, "False QueueNotFound"],
  ["an answer that makes no sense", "Ready", { observations: [failing(61_000, "invalid"), fresh] }, "False InvalidAnswer"],
  ["a fault of our own", "Ready", { observations: [failing(61_000, "internal"), fresh] }, "False InternalFault"],
  ["a trigger that nobody has read", "Ready", { observations: [fresh, unread] }, "Unknown Starting"],
  ["unreachable since the start, within the grace", "Ready", { observations: [never(5_000), fresh] }, "Unknown Starting"],
  ["unreachable since the start, past it", "Ready", { observations: [never(61_000), fresh] }, "False QueueUnreachable"],
  ["nothing decided", "Ready", { decision: undefined }, "Unknown Starting"],

  ["work waits", "Active", {}, "True WorkWaiting"],
  ["a schedule asks", "Active", { decision: decision("Schedule") }, "True Schedule"],
  [
    "only busy workers",
    "Active",
    { decision: decision("WorkersBusy", { triggers: [view(false)], busy: 2 }) },
    "True WorkersBusy",
  ],
  [
    "nothing to do, still large",
    "Active",
    { decision: decision("CoolingDown", { triggers: [view(false)] }) },
    "False CoolingDown",
  ],
  ["nothing to do", "Active", { decision: decision("Empty", { triggers: [view(false)], to: 0 }) }, "False Empty"],
  [
    "no trigger known",
    "Active",
    { decision: decision("ReadingsUnknown", { triggers: [view(false, "unknown")] }) },
    "Unknown Starting",
  ],
  ["nothing decided", "Active", { decision: undefined }, "Unknown Starting"],

  ["all fresh", "ReadingsFresh", {}, "True AllFresh"],
  ["one fails", "ReadingsFresh", { observations: [fresh, failing(1_000)] }, "False SomeStale"],
  ["all fail", "ReadingsFresh", { observations: [failing(1_000), failing(2_000)] }, "False AllStale"],
  ["one fails for longer than staleAfter", "ReadingsFresh", { observations: [fresh, failing(61_000)] }, "False Expired"],
  ["one was never read and fails", "ReadingsFresh", { observations: [fresh, never(1_000)] }, "False NeverRead"],
  [
    "one is late without a failure",
    "ReadingsFresh",
    { observations: [fresh, { ...fresh, sentAt: now - 5_100 }] },
    "False SomeStale",
  ],
  [
    "one is within three intervals",
    "ReadingsFresh",
    { observations: [fresh, { ...fresh, sentAt: now - 4_900 }] },
    "True AllFresh",
  ],
  ["one is young", "ReadingsFresh", { observations: [fresh, unread] }, "Unknown Starting"],

  ["demand alone", "ScalingLimited", {}, "False DesiredWithinRange"],
  ["empty", "ScalingLimited", { decision: decision("Empty") }, "False DesiredWithinRange"],
  ["the maximum", "ScalingLimited", { decision: decision("AtMaximum") }, "True AtMaximum"],
  ["busy workers", "ScalingLimited", { decision: decision("WorkersBusy") }, "True WorkersBusy"],
  ["a step limit", "ScalingLimited", { decision: decision("StepLimit") }, "True StepLimit"],
  ["not knowing", "ScalingLimited", { decision: decision("ReadingsUnknown") }, "True ReadingsUnknown"],
  ["a pause", "ScalingLimited", { decision: decision("Paused") }, "True Held"],
  ["nothing decided", "ScalingLimited", { decision: undefined }, "Unknown Starting"],

  ["not paused", "Paused", {}, "False NotPaused"],
  ["paused", "Paused", { rules: { ...rules, pause: { directions: "Both", reason: "deploy" } } }, "True PausedBySpec"],
  ["observing", "Paused", { rules: { ...rules, mode: "Observe" } }, "True ObserveOnly"],
];

for (const [what, type, over, expected] of cases) {
  test(`${type} is ${expected} when: ${what}`, () => {
    const condition = deriveConditions(input(over)).find((each) => each.type === type);
    assert.equal(`${condition?.status} ${condition?.reason}`, expected);
  });
}

test("Every condition is there from the first moment, in one order", () => {
  const types = deriveConditions(input({ observations: [unread, unread], decision: undefined })).map(({ type }) => type);
  assert.deepEqual(types, ["Ready", "Active", "ReadingsFresh", "ScalingLimited", "Paused"]);
});

test("The time moves when the status flips, and not with a reason or a message", () => {
  const first = deriveConditions(input({ at: "t1" }));
  let later = first;
  for (let i = 0; i < 100; i++) later = deriveConditions(input({ at: `t2-${i}`, decision: decision("Schedule") }), later);
  assert.deepEqual(new Set(later.map(({ since }) => since)), new Set(["t1"]));
  assert.equal(later[1]?.reason, "Schedule");
  const flipped = deriveConditions(input({ at: "t3", trouble: crash }), later);
  assert.deepEqual(
    flipped.map(({ since }) => since),
    ["t3", "t1", "t1", "t1", "t1"],
  );
});

test("What is seen late carries the time when it came to be so", () => {
  const late = (observation: Observation, trouble?: TargetTrouble) =>
    Object.fromEntries(
      deriveConditions(input({ observations: [fresh, observation], ...(trouble && { trouble }) })).map(({ type, since }) => [
        type,
        (Date.parse(at) - Date.parse(since)) / 1000,
      ]),
    );
  const { Ready, ReadingsFresh, Paused } = late(failing(100_000));
  assert.deepEqual([Ready, ReadingsFresh, Paused], [40, 100, 0], "the grace of 60 s is over for 40 s");
  assert.equal(late({ ...fresh, sentAt: now - 9_000 })["ReadingsFresh"], 4, "late after three intervals and 2 s");
  assert.equal(late(fresh, { ...crash, since: now - 7_000 })["Ready"], 7);
});

test("Reasons are one CamelCase word, and what is not ready names the trigger and the problem", () => {
  for (const [, , over] of cases) {
    for (const { reason } of deriveConditions(input(over))) assert.match(reason, /^[A-Z][A-Za-z]+$/);
  }
  const [ready] = deriveConditions(input({ observations: [fresh, failing(61_000)] }));
  assert.equal(ready?.message, "trigger images: no answer");
});
