import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { answerReview, ReviewError } from "../../src/api/admission.ts";
import type { ClusterView } from "../../src/api/cluster-findings.ts";
import { badObjects } from "./bad-objects.ts";
import { api, connection, type Draft, jobWorker, worker } from "./objects.ts";

/** A cluster in which all is well, but for what a test says. */
const around = (over: Partial<ClusterView> = {}): ClusterView => ({
  connection: () => ({ type: "redis" }),
  workersOn: () => [],
  autoscalersOn: () => [],
  scalable: () => true,
  exists: () => true,
  ...over,
});

async function answer(object: Draft, over: Partial<ClusterView> = {}, before?: Draft, more: object = {}) {
  const request = {
    uid: "r-1",
    kind: { group: "worktide.dev", version: "v1alpha1", kind: object?.kind },
    operation: before ? "UPDATE" : "CREATE",
    object,
    ...(before && { oldObject: before }),
    ...more,
  };
  const { response } = await answerReview(
    { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", request },
    api,
    around(over),
  );
  assert.equal(response.uid, "r-1");
  return response;
}

const own = (change: (spec: Draft) => void = () => {}) => {
  const object = worker();
  object.metadata.namespace = "shop";
  change(object.spec);
  return object;
};
const onShared = own((spec) => {
  delete spec.triggers[0].connection;
  spec.triggers[0].clusterConnection = "shared";
});

type Case = readonly [title: string, object: Draft, view: Partial<ClusterView>, allowed: boolean, message: RegExp];

const cases: readonly Case[] = [
  [
    "another ScaledWorker on the target",
    own(),
    { workersOn: () => ["mails", "other"] },
    false,
    /'other' scales Deployment 'mails' too$/,
  ],
  [
    "an HPA on the target",
    own(),
    { autoscalersOn: () => ["mails"] },
    false,
    /HorizontalPodAutoscaler: 'mails' scales .* `spec.mode: Observe`$/,
  ],
  [
    "an HPA to compare with",
    own((spec) => (spec.mode = "Observe")),
    { autoscalersOn: () => ["mails"] },
    true,
    /HorizontalPodAutoscaler/,
  ],
  [
    "a target without /scale",
    own((spec) => (spec.target.kind = "DaemonSet")),
    { scalable: () => false },
    false,
    /`\/scale` subresource: apps\/v1 DaemonSet/,
  ],
  ["a kind that is not there", own(), { scalable: () => null }, true, /of a kind that is there: apps\/v1 has no Deployment$/],
  ["a target that is not there", own(), { exists: () => false }, true, /namespace 'shop' has no Deployment 'mails' yet$/],
  [
    "a connection that is not there",
    own(),
    { connection: () => null },
    true,
    /must name a QueueConnection in namespace 'shop'; found 'main'$/,
  ],
  [
    "a connection of another broker",
    own(),
    { connection: () => ({ type: "amqp" }) },
    false,
    /a QueueConnection with `redis`; 'main' has `amqp`$/,
  ],
  [
    "a connection that keeps the namespace out",
    onShared,
    { connection: () => ({ type: "redis", namespaces: ["team-*"] }) },
    true,
    /lets namespace 'shop' use it: `spec.namespaces` of 'shared' does not$/,
  ],
];

describe("admission", () => {
  it("lets what has no faults pass, without a word", async () => {
    for (const object of [own(), jobWorker(), connection(), onShared]) {
      const { allowed, status, warnings } = await answer(object);
      assert.deepEqual([allowed, status, warnings], [true, undefined, undefined]);
    }
  });

  for (const [title, object, view, allowed, message] of cases) {
    it(`${allowed ? "warns of" : "refuses"} ${title}`, async () => {
      const response = await answer(object, view);
      assert.equal(response.allowed, allowed);
      assert.match(allowed ? (response.warnings?.join("\n") ?? "") : (response.status?.message ?? ""), message);
      assert.equal(response.warnings?.length ?? 0, allowed ? 1 : 0);
      if (!allowed) assert.deepEqual([response.status?.code, response.status?.reason], [422, "Invalid"]);
    });
  }

  it("refuses every object that `worktide check` refuses", async () => {
    for (const { title, object } of badObjects) assert.equal((await answer(object)).allowed, false, title);
  });

  it("says all errors at once", async () => {
    const object = own((spec) => Object.assign(spec.replicas, { min: 9, idle: 20 }));
    const { status } = await answer(object);
    assert.equal(
      status?.message,
      "2 errors:\n  - `spec.replicas.min` must not be above `max`, which is 5; found '9'\n" +
        "  - `spec.replicas.idle` must not be above `min`, which is 9; found '20'",
    );
  });

  it("does not complain of what it does not know", async () => {
    const nothing = () => undefined;
    const view = { connection: nothing, workersOn: nothing, autoscalersOn: nothing, scalable: nothing, exists: nothing };
    assert.deepEqual(await answer(own(), view), { uid: "r-1", allowed: true });
  });

  it("lets pass what changes nothing that is read, and what is being deleted, however wrong it is", async () => {
    const wrong = own((spec) => (spec.replicas.min = 9));
    const labelled = { ...wrong, metadata: { ...wrong.metadata, labels: { a: "b" }, annotations: { other: "x" } } };
    assert.equal((await answer(labelled, {}, wrong)).allowed, true);
    const leaving = {
      ...own((spec) => (spec.replicas.min = 8)),
      metadata: { ...wrong.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" },
    };
    assert.equal((await answer(leaving, {}, wrong)).allowed, true);
    const paused = { ...wrong, metadata: { ...wrong.metadata, annotations: { "worktide.dev/paused": "yess" } } };
    assert.equal((await answer(paused, {}, wrong)).allowed, false);
  });

  it("lets one that shares its target be edited, and not come to share it", async () => {
    const shared = { workersOn: () => ["other"] };
    const bigger = own((spec) => (spec.replicas.max = 6));
    const { allowed, warnings } = await answer(bigger, shared, own());
    assert.deepEqual([allowed, warnings?.length], [true, 1]);
    assert.equal(
      (
        await answer(
          own((spec) => (spec.target.name = "b")),
          shared,
          own(),
        )
      ).allowed,
      false,
    );
  });

  it("has nothing to say of other groups, operations and subresources", async () => {
    const wrong = own((spec) => (spec.replicas.min = 9));
    for (const more of [{ kind: { group: "apps", kind: "Deployment" } }, { operation: "DELETE" }, { subResource: "status" }]) {
      assert.equal((await answer(wrong, {}, undefined, more)).allowed, true);
    }
  });

  it("takes no other question", async () => {
    for (const question of [
      undefined,
      {},
      [],
      { apiVersion: "admission.k8s.io/v1beta1", kind: "AdmissionReview", request: { uid: "x" } },
    ]) {
      await assert.rejects(answerReview(question, api, around()), ReviewError);
    }
  });

  it("never quotes a secret", async () => {
    const object = connection();
    object.spec.redis.url = "rediss://u:Canary-4711@h";
    object.spec.redis.passwordFrom = "Canary-4711";
    assert.doesNotMatch(JSON.stringify(await answer(object)), /Canary/);
  });
});
