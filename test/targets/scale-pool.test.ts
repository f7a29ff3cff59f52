import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { untouched } from "../../src/targets/foreign.ts";
import type { SeenPod } from "../../src/targets/pods.ts";
import { planOf } from "../../src/targets/scale-lower.ts";
import { missingMs, placementMs, poolOf, type ScaleState, troubleOf, wakeAt } from "../../src/targets/scale-pool.ts";

const pod = (name: string, changes: Partial<SeenPod> = {}): SeenPod => ({
  ...{ uid: name, name, resourceVersion: "1", labels: {}, owner: { kind: "ReplicaSet", uid: "rs1" }, aliases: [] },
  ...{ ready: true, up: true, leaving: false, over: false, createdAt: 0, seenAt: 0 },
  ...changes,
});

function state(pods: readonly SeenPod[], changes: Partial<ScaleState> = {}): ScaleState {
  const object = { uid: "u1", resourceVersion: "1", generation: 1, leaving: false, rolling: false };
  const byName = new Map(pods.map((one) => [one.name, one]));
  return {
    kind: "Deployment",
    object,
    wanted: pods.length,
    changedAt: 0,
    pods: byName,
    foreign: untouched,
    now: 1000,
    ...changes,
  };
}

const failed = (name: string, reason: "CrashLooping" | "CannotStart" | "Unschedulable" = "CrashLooping") =>
  pod(name, { ready: false, up: false, failing: { reason, message: "container c: it", since: 0 } });

describe("the pool of a target", () => {
  test("counts pods that stay, and tells of those that leave", () => {
    const pods = [pod("a"), pod("b", { ready: false }), pod("c", { leaving: true }), pod("d", { over: true })];
    const { existing, ready, leaving, members } = poolOf(state(pods));
    assert.deepEqual([existing, ready, leaving], [2, 1, 1]);
    assert.deepEqual(
      members?.map(({ id, ready, leaving }) => `${id} ${ready} ${leaving}`),
      ["a true false", "b true false", "c true true"],
    );
  });

  test("knows the shortest time that one of its pods has to stop", () => {
    const pods = [pod("a", { graceMs: 30_000 }), pod("b", { graceMs: 5000 }), pod("c", { graceMs: 0, leaving: true }), pod("d")];
    assert.equal(poolOf(state(pods)).graceMs, 5000);
    assert.equal(poolOf(state([pod("d")])).graceMs, undefined);
  });

  test("says who can go", () => {
    const two = [pod("a-9"), pod("a-10")];
    const mixed = [pod("a"), pod("b", { owner: { kind: "ReplicaSet", uid: "rs2" } })];
    const foreign = { ...untouched, by: "argocd", reversals: [1, 2, 3] };
    const rolling = { ...state([]).object, rolling: true };
    const custom = [pod("a", { owner: { kind: "Crew", uid: "c" } })];
    assert.equal(poolOf(state(two)).removal?.who, "named");
    assert.equal(poolOf(state(mixed)).removal?.who, "any", "two ReplicaSets");
    assert.equal(poolOf(state(two, { object: rolling })).removal?.who, "any");
    assert.equal(poolOf(state(two, { kind: "Rollout" })).removal?.who, "named", "its pods belong to one ReplicaSet");
    assert.equal(poolOf(state(custom, { kind: "Crew" })).removal?.who, "any");
    assert.equal(poolOf(state(two, { foreign })).removal?.who, "none");
    const stateful = poolOf(state(two, { kind: "StatefulSet", object: rolling }));
    assert.equal(stateful.removal?.who, "first");
    assert.deepEqual(
      stateful.members?.map(({ id }) => id),
      ["a-10", "a-9"],
    );
  });

  test("does not grow while most of its pods fail, and may always shrink (row 13)", () => {
    const pool = poolOf(state([pod("a"), failed("b"), failed("c")]));
    assert.deepEqual(pool.limit, {
      most: 2,
      reason: "WorkersFailing",
      because: "2 of 3 pods cannot run: pod b, container c: it",
    });
    assert.equal(poolOf(state([pod("a"), pod("b"), failed("c")])).limit, undefined, "one bad node stops nobody");
    assert.equal(poolOf(state([failed("a", "Unschedulable")])).limit, undefined, "a node may be on its way");
    const late = state([failed("a", "Unschedulable")], { now: placementMs });
    assert.equal(poolOf(late).limit?.most, 1);
    assert.equal(wakeAt(state([failed("a", "Unschedulable")])), placementMs);
  });

  test("stays at the zero that somebody set", () => {
    const foreign = { ...untouched, replicas: 0, zeroBy: "kubectl" };
    assert.deepEqual(poolOf(state([], { foreign })).limit, {
      most: 0,
      reason: "Paused",
      because: "set to zero by kubectl: raise it to go on",
    });
  });
});

describe("trouble", () => {
  test("is told by the first pod that fails, whatever their order", () => {
    assert.deepEqual(troubleOf(state([failed("c"), failed("b", "CannotStart"), pod("a")])), {
      reason: "CannotStart",
      message: "2 of 3 pods cannot run: pod b, container c: it",
    });
  });

  test("is that pods are missing, with the word of their controller or without (rows 13, 60)", () => {
    const object = { ...state([]).object, failure: 'admission webhook "x" denied the request' };
    const message = '2 of 3 pods are missing: admission webhook "x" denied the request';
    assert.deepEqual(troubleOf(state([pod("a")], { wanted: 3, object })), { reason: "CannotStart", message });
    assert.equal(troubleOf(state([pod("a")], { wanted: 3 })), undefined, "they may be on their way");
    assert.equal(wakeAt(state([pod("a")], { wanted: 3 })), missingMs);
    assert.equal(troubleOf(state([pod("a")], { wanted: 3, now: missingMs }))?.reason, "CannotStart");
    const oneByOne = state([pod("a", { ready: false })], { wanted: 3, now: missingMs });
    assert.equal(troubleOf(oneByOne), undefined, "one that starts its pods one by one waits for the first");
  });
});

describe("the way to a smaller size", () => {
  const abc = [pod("a"), pod("b"), pod("c")];
  const plan = (given: ScaleState, to: number, remove?: readonly string[]) => {
    const change = { from: given.wanted, to, decision: "d", ...(remove && { remove }) };
    const { size, first } = planOf(change, poolOf(given), given.pods, given.object.counted);
    return `${size} ${first.map(({ name }) => name).join()}`.trim();
  };

  test("deletes those who were named, and never more", () => {
    assert.equal(plan(state(abc), 1, ["c", "a"]), "1 a,c");
    assert.equal(plan(state(abc), 1, ["c"]), "2 c");
    assert.equal(plan(state(abc), 2, ["c", "a"]), "2 a");
    assert.equal(plan(state(abc), 1, ["x"]), "3");
    assert.equal(plan(state([...abc.slice(0, 2), pod("c", { leaving: true })], { wanted: 2 }), 1, ["c"]), "2");
  });

  test("takes nobody while a ReplicaSet has pods too many: for each of them that we took it would choose another", () => {
    const surplus = state(abc, { wanted: 2 });
    assert.deepEqual(poolOf(surplus).removal, { who: "none", because: "1 pod too many is still to go" });
    assert.equal(plan(surplus, 1, ["c"]), "2");
  });

  test("takes empty places first", () => {
    assert.equal(plan(state(abc, { wanted: 5 }), 2, ["c"]), "2 c");
    assert.equal(plan(state(abc, { wanted: 5 }), 3, []), "3");
    const counted = (of: number) => state(abc, { wanted: 5, object: { ...state([]).object, counted: of } });
    assert.equal(plan(counted(3), 3, []), "3");
    assert.equal(plan(counted(5), 3, []), "5", "told of the size first, its controller would take two of the three");
    assert.equal(plan(counted(4), 2, ["c"]), "3 c");
  });

  test("to zero is the size alone, and only when all may go", () => {
    assert.equal(plan(state(abc), 0, ["a", "b", "c"]), "0");
    assert.equal(plan(state(abc), 0, ["a", "b"]), "3");
  });

  test("takes a StatefulSet from the top, as far as those were named", () => {
    const stateful = state([pod("w-0"), pod("w-1"), pod("w-2"), pod("w-3")], { kind: "StatefulSet" });
    assert.equal(plan(stateful, 1, ["w-3", "w-2", "w-1"]), "1");
    assert.equal(plan(stateful, 1, ["w-3", "w-1"]), "3");
    assert.equal(plan(stateful, 2, ["w-1", "w-0"]), "4");
    assert.equal(plan({ ...stateful, wanted: 6 }, 3, ["w-3"]), "3");
    assert.equal(plan({ ...stateful, wanted: 3 }, 1, ["w-3"]), "3", "it goes as it is: w-2 was not named");
    assert.equal(plan({ ...stateful, wanted: 3 }, 1, ["w-3", "w-2"]), "2");
  });

  test("leaves the choice to the target where nobody was named, and removes nobody where none can go", () => {
    assert.equal(plan(state(abc), 1), "1");
    const foreign = { ...untouched, by: "x", reversals: [1, 2, 3] };
    assert.equal(plan(state(abc, { foreign }), 1), "3");
  });
});
