import assert from "node:assert/strict";
import { test } from "node:test";
import { type Pod, slimPod } from "../../src/targets/pod.ts";
import { createPods } from "../../src/targets/pods.ts";
import { parseSelector, type Selector } from "../../src/targets/selector.ts";
import { fakeWatch } from "./fake-watch.ts";

const select = (text: string): Selector => {
  const selector = parseSelector(text);
  assert.ok(selector);
  return selector;
};

const pod = (name: string, labels: Readonly<Record<string, string>>, uid = name): Pod =>
  slimPod({ metadata: { name, uid, labels, resourceVersion: "1", creationTimestamp: "2026-11-21T10:00:00Z" } });

test("each pod goes to the targets whose selector it matches, and to no other", () => {
  const watch = fakeWatch<Pod>();
  watch.put("shop/a1", pod("a1", { app: "a" }));
  const pods = createPods(watch.list, () => 5);
  const told: string[] = [];
  const set = (text: string) => pods.follow("shop", select(text), () => told.push(text)).pods;
  const [a, both, labelled, other] = [set("app=a"), set("app in (a,b)"), set("app"), set("app=a,tier=x")];
  watch.put("shop/b1", pod("b1", { app: "b" }));
  watch.put("shop/a2", pod("a2", { app: "a", tier: "x" }));
  watch.put("barn/a3", pod("a3", { app: "a" }));
  const names = () => [a, both, labelled, other].map((set) => [...set.keys()].join());
  assert.deepEqual(names(), ["a1,a2", "a1,b1,a2", "a1,b1,a2", "a2"]);
  assert.deepEqual(told.toSorted(), ["app", "app", "app in (a,b)", "app in (a,b)", "app=a", "app=a,tier=x"]);
  watch.put("shop/a2", pod("a2", { app: "b" }));
  assert.deepEqual(names(), ["a1", "a1,b1,a2", "a1,b1,a2", ""]);
  watch.put("shop/b1", undefined);
  assert.deepEqual(names(), ["a1", "a1,a2", "a1,a2", ""]);
});

test("a pod is known since it was first seen; another one of its name since then", () => {
  const watch = fakeWatch<Pod>();
  let now = 100;
  const pods = createPods(watch.list, () => now);
  const set = pods.follow("shop", select("app=a"), () => {}).pods;
  watch.put("shop/a-0", pod("a-0", { app: "a" }, "first"));
  now = 200;
  watch.put("shop/a-0", pod("a-0", { app: "a" }, "first"));
  assert.equal(set.get("a-0")?.seenAt, 100);
  watch.put("shop/a-0", pod("a-0", { app: "a" }, "second"));
  assert.equal(set.get("a-0")?.seenAt, 200);
});

test("a target that has gone hears of nothing", () => {
  const watch = fakeWatch<Pod>();
  const pods = createPods(watch.list, () => 0);
  const set = pods.follow("shop", select("app=a"), () => assert.fail("told"));
  set.stop();
  watch.put("shop/a1", pod("a1", { app: "a" }));
  assert.equal(set.pods.size, 0);
});

test("a pod is up while a container of it runs, whatever its probes say", () => {
  const waiting = (reason: string) => ({ name: "c", state: { waiting: { reason, message: "it\nand more" } } });
  const running = { name: "c", state: { running: {} } };
  const tables: [object, boolean, string | undefined][] = [
    [{ phase: "Pending" }, false, undefined],
    [{ phase: "Running", containerStatuses: [running] }, true, undefined],
    [{ phase: "Running", containerStatuses: [running], conditions: [{ type: "Ready", status: "False" }] }, true, undefined],
    [{ phase: "Running", containerStatuses: [waiting("CrashLoopBackOff")] }, false, "CrashLooping"],
    [{ phase: "Pending", containerStatuses: [waiting("ContainerCreating")] }, false, undefined],
    [{ phase: "Pending", containerStatuses: [waiting("ImagePullBackOff")] }, false, "CannotStart"],
    [{ phase: "Pending", initContainerStatuses: [waiting("ErrImagePull")] }, false, "CannotStart"],
    [
      { phase: "Pending", conditions: [{ type: "PodScheduled", status: "False", reason: "Unschedulable" }] },
      false,
      "Unschedulable",
    ],
    [{ phase: "Unknown" }, true, undefined],
  ];
  for (const [status, up, failing] of tables) {
    const slim = slimPod({ metadata: { name: "a", uid: "a", resourceVersion: "1" }, status });
    assert.deepEqual([slim.up, slim.failing?.reason], [up, failing], JSON.stringify(status));
    assert.ok(!slim.failing?.message.includes("and more"));
  }
});

test("a pod has so long to stop as its spec says", () => {
  const of = (spec: object) => slimPod({ metadata: { name: "a", uid: "a", resourceVersion: "1" }, spec, status: {} }).graceMs;
  assert.deepEqual(
    [of({ terminationGracePeriodSeconds: 45 }), of({ terminationGracePeriodSeconds: 0 }), of({})],
    [45_000, 0, undefined],
  );
});

test("a pod is known by its host name and its addresses, but not by those of its node", () => {
  const of = (spec: object, name = "mails-7f-x") =>
    slimPod({
      metadata: { name, uid: "a", resourceVersion: "1" },
      spec,
      status: { podIP: "10.0.0.7", podIPs: [{ ip: "10.0.0.7" }, { ip: "fd00::7" }] },
    }).aliases;
  assert.deepEqual(of({}), ["10.0.0.7", "fd00::7"]);
  assert.deepEqual(of({ hostname: "worker" }), ["worker", "10.0.0.7", "fd00::7"]);
  assert.deepEqual(of({ hostNetwork: true }), []);
  assert.equal(of({}, `${"long-".repeat(20)}x`)[0], "long-".repeat(20).slice(0, 63).replace(/-$/, ""));
});
