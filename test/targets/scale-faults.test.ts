import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { KubeError } from "../../src/kube/kube.ts";
import { createScaleTarget, type ScaleTargetOptions } from "../../src/targets/scale.ts";
import type { TargetNotice } from "../../src/targets/target.ts";
import { createTargetWatches } from "../../src/targets/watches.ts";
import { createRig } from "../kube/support.ts";
import type { Fault } from "../support/fake-api.ts";
import { change, never, waitFor, waitMs, workload } from "./cluster-rig.ts";

const at = "/apis/apps/v1/namespaces/shop/deployments/mails";
const podsAt = "/api/v1/namespaces/shop/pods";

/** A Deployment of some running pods on an API server that does as the test says. */
async function open(replicas: number, options: Partial<ScaleTargetOptions> = {}) {
  const rig = await createRig();
  const { api, kube } = rig;
  api.setDiscovery("/apis/apps/v1", [
    { name: "deployments", kind: "Deployment", namespaced: true },
    { name: "deployments/scale", kind: "Scale", namespaced: true },
  ]);
  const { metadata, ...rest } = workload("mails", replicas);
  api.store.create(at, { ...rest, metadata: { ...metadata, namespace: "shop" }, status: {} });
  for (let n = 1; n <= replicas; n++) runPod(`mails-${n}`);
  const watches = createTargetWatches({ kube, clock: () => performance.now(), namespaces: ["shop"] });
  const notices: TargetNotice[] = [];
  const target = createScaleTarget({
    ref: { apiVersion: "apps/v1", kind: "Deployment", namespace: "shop", name: "mails" },
    ...{ kube, watches, notice: (notice: TargetNotice) => void notices.push(notice), ...options },
  });
  await waitFor("the pool", () => target.pool()?.existing === replicas, waitMs);

  function runPod(name: string): void {
    const owner = { apiVersion: "apps/v1", kind: "ReplicaSet", name: "mails-7f", uid: "rs", controller: true };
    api.store.create(`${podsAt}/${name}`, {
      metadata: { name, namespace: "shop", labels: { app: "mails" }, ownerReferences: [owner] },
      status: { phase: "Running", conditions: [{ type: "Ready", status: "True" }] },
    });
  }

  return {
    ...{ api, target, notices, runPod },
    stored: () => (api.store.found(at)["spec"] as { replicas: number }).replicas,
    /** What was asked at the scale of the target or of its pods, since the pool was known. */
    asked: () =>
      api.requests.flatMap(({ method, path }) =>
        path === `${at}/scale` ? `${method} scale` : method !== "GET" && path.startsWith(podsAt) ? `${method} pod` : [],
      ),
    /** Answers each write of the size with the next of these, then well. */
    atPuts: (...faults: readonly (Fault | undefined)[]) => {
      let n = 0;
      api.set(({ method, path }) => (method === "PUT" && path === `${at}/scale` ? faults[n++] : undefined));
    },
    async [Symbol.asyncDispose]() {
      await target[Symbol.asyncDispose]();
      await watches[Symbol.asyncDispose]();
      await rig[Symbol.asyncDispose]();
    },
  };
}

describe("a write of the size", () => {
  const lost: readonly (readonly [string, Fault])[] = [
    ["is answered with 504", { doneThen: 504 }],
    ["is answered with 500", { doneThen: 500 }],
    ["is never answered", { doneThen: "lost" }],
  ];
  for (const [how, fault] of lost) {
    it(`that was done and ${how} is looked up, and not done again (row 21)`, async () => {
      await using rig = await open(1);
      rig.atPuts(fault);
      assert.deepEqual(await rig.target.apply(change(1, 4), never), { size: 4 });
      assert.deepEqual(rig.asked(), ["PUT scale", "GET scale"]);
      assert.equal(rig.stored(), 4);
      assert.deepEqual(rig.notices, []);
    });
  }

  it("that was not done, and nobody says so, is done after a look (row 21)", async () => {
    await using rig = await open(1);
    rig.atPuts({ status: 504 });
    assert.deepEqual(await rig.target.apply(change(1, 4), never), { size: 4 });
    assert.deepEqual(rig.asked(), ["PUT scale", "GET scale", "PUT scale"]);
  });

  it("whose outcome cannot even be looked up is looked up before the next one (row 21, I7)", async () => {
    await using rig = await open(1);
    let down = true;
    rig.api.set(({ method, path }) => {
      if (!down || path !== `${at}/scale`) return undefined;
      return method === "PUT" ? { doneThen: 504 } : { status: 403, reason: "Forbidden" };
    });
    await assert.rejects(rig.target.apply(change(1, 4), never));
    down = false;
    await waitFor("what was done", () => rig.target.pool()?.wanted === 4, waitMs);
    assert.equal((await rig.target.apply(change(4, 5), never)).size, 5);
    assert.deepEqual(rig.notices, [], "it was our own");
  });

  it("that is turned away again and again is left to the next decision (row 9)", async () => {
    await using rig = await open(1);
    const conflict = { status: 409, reason: "Conflict" };
    rig.atPuts(conflict, conflict, conflict);
    assert.deepEqual(await rig.target.apply(change(1, 4), never), { size: 1 });
    assert.equal(rig.asked().filter((ask) => ask === "PUT scale").length, 3);
    assert.equal((await rig.target.apply(change(1, 4), never)).size, 4);
  });

  it("to lower is left when the store says something else than the watch (row 10, I26)", async () => {
    await using rig = await open(4);
    rig.api.setFrames(() => []); // the watch is dead, and nobody knows
    rig.api.store.merge(at, { spec: { replicas: 6 } });
    const applied = await rig.target.apply(change(4, 1, ["mails-1", "mails-2", "mails-3"]), never);
    assert.equal(applied.size, 4, "it came to nothing");
    assert.deepEqual(rig.asked(), ["GET scale"]);
    assert.equal(rig.target.pool()?.wanted, 6);
  });

  it("to lower, decided on an answer of yesterday, is turned away by the store (row 10, I26)", async () => {
    await using rig = await open(4);
    const { metadata } = rig.api.store.found(at);
    const answer = { kind: "Scale", metadata, spec: { replicas: 4 }, status: { replicas: 4 } };
    rig.api.setFrames(() => []);
    rig.api.store.merge(at, { spec: { replicas: 6 } });
    rig.api.set(({ method, path }) => (method === "GET" && path === `${at}/scale` ? { answer } : undefined));
    const applied = await rig.target.apply(change(4, 0, ["mails-1", "mails-2", "mails-3", "mails-4"]), never);
    assert.equal(applied.size, 4);
    assert.equal(rig.stored(), 6);
  });

  it("is not sent by one who does not lead any more", async () => {
    let leads = true;
    await using rig = await open(3, { fence: () => (leads ? 10_000 : 0) });
    leads = false;
    const notLeader = (error: unknown) => error instanceof KubeError && error.reason === "NotLeader";
    await assert.rejects(rig.target.apply(change(3, 5), never), notLeader);
    await assert.rejects(rig.target.apply(change(3, 2, ["mails-1"]), never), notLeader);
    assert.deepEqual(
      rig.asked().filter((ask) => !ask.startsWith("GET")),
      [],
    );
    leads = true;
    assert.equal((await rig.target.apply(change(3, 5), never)).size, 5);
  });
});

describe("the removal of named pods", () => {
  it("is one deletion each and then the size, with what was really deleted", async () => {
    await using rig = await open(4);
    rig.api.set(({ method, path }) =>
      method === "DELETE" && path.endsWith("mails-2") ? { status: 409, reason: "Conflict" } : undefined,
    );
    const applied = await rig.target.apply(change(4, 1, ["mails-1", "mails-2", "mails-3"]), never);
    assert.deepEqual(applied, { size: 2, note: "1 asked for, and no more could go" });
    assert.deepEqual(rig.asked(), ["GET scale", "DELETE pod", "DELETE pod", "DELETE pod", "PATCH scale"]);
    const deletions = rig.api.requests.filter(({ method }) => method === "DELETE");
    for (const { body } of deletions) {
      const { preconditions } = body as { preconditions: Readonly<Record<string, string>> };
      assert.deepEqual(Object.keys(preconditions).toSorted(), ["resourceVersion", "uid"]);
    }
  });

  it("is our own change of size too where fewer went than were chosen, and the watch tells of it first (row 14)", async () => {
    await using rig = await open(4);
    let written = 0;
    rig.api.set(({ method, path }) => {
      if (method === "DELETE" && path.endsWith("mails-2")) return { status: 409, reason: "Conflict" };
      return method === "PATCH" && written++ === 0 ? { doneThen: 504 } : undefined;
    });
    await rig.target.apply(change(4, 1, ["mails-1", "mails-2", "mails-3"]), never);
    assert.equal(rig.stored(), 2);
    await waitFor("its sight", () => rig.target.pool()?.wanted === 2, waitMs);
    assert.deepEqual(rig.notices, []);
  });

  it("whose answer is lost is looked up", async () => {
    await using rig = await open(3);
    rig.api.set(({ method }) => (method === "DELETE" ? { doneThen: 504 } : undefined));
    assert.deepEqual(await rig.target.apply(change(3, 2, ["mails-1"]), never), { size: 2 });
    assert.equal(rig.stored(), 2);
  });

  it("moves the status of the target, which holds up nothing: replacements would have the time to start", async () => {
    await using rig = await open(3);
    let n = 0;
    rig.api.set(({ method, path }) => {
      if (method === "DELETE" || path === `${at}/scale`) rig.api.store.merge(at, { status: { replicas: n++ } });
      return undefined;
    });
    assert.deepEqual(await rig.target.apply(change(3, 2, ["mails-1"]), never), { size: 2 });
    assert.deepEqual(rig.asked(), ["GET scale", "DELETE pod", "PATCH scale"]);
  });

  it("goes on through the conflicts that it brings about, where its role lacks the right to patch", async () => {
    await using rig = await open(3);
    let n = 0;
    rig.api.set(({ method, path }) => {
      if (method === "PATCH") return { status: 403, reason: "Forbidden" };
      if (method === "PUT" && path === `${at}/scale` && n++ < 6) rig.api.store.merge(at, { status: { replicas: n } });
      return undefined;
    });
    assert.deepEqual(await rig.target.apply(change(3, 2, ["mails-1"]), never), { size: 2 });
    assert.equal(n, 7);
  });

  for (const other of [6, 2]) {
    it(`leaves a size that somebody else has set meanwhile: ${other}, where 2 was wanted`, async () => {
      await using rig = await open(3);
      rig.api.set(({ method }) => {
        if (method === "DELETE") rig.api.store.merge(at, { spec: { replicas: other } });
        return undefined;
      });
      const applied = await rig.target.apply(change(3, 2, ["mails-1"]), never);
      assert.deepEqual(applied, { size: 3, note: `somebody set ${other} meanwhile` });
      assert.equal(rig.stored(), other);
    });
  }

  it("does not begin while the API server is slow: then all must be idle, and the size alone is written", async () => {
    await using rig = await open(3);
    rig.api.set(({ method, path }) => (method === "GET" && path === `${at}/scale` ? { afterMs: 600 } : undefined));
    const applied = await rig.target.apply(change(3, 2, ["mails-1"]), never);
    assert.equal(applied.size, 3);
    assert.match(applied.note ?? "", /^the API server took \d+ ms to answer$/);
    assert.equal(rig.target.pool()?.removal?.who, "any");
    assert.deepEqual(await rig.target.apply(change(3, 2, ["mails-1", "mails-2", "mails-3"]), never), { size: 2 });
    assert.deepEqual(rig.asked(), ["GET scale", "GET scale", "PUT scale"]);
  });

  it("leaves the size when a replacement runs already: it could be anybody who would go", async () => {
    await using rig = await open(3);
    rig.api.set(({ method }) => {
      if (method !== "DELETE") return undefined;
      rig.runPod("mails-new");
      return { afterMs: 500 };
    });
    const applied = await rig.target.apply(change(3, 2, ["mails-1"]), never);
    assert.equal(applied.size, 3);
    assert.equal(rig.stored(), 3);
  });

  it("leaves the size when more are wanted again", async () => {
    await using rig = await open(3);
    const more = new AbortController();
    rig.api.set(({ method }) => {
      if (method === "DELETE") more.abort();
      return undefined;
    });
    assert.equal((await rig.target.apply(change(3, 2, ["mails-1"]), more.signal)).size, 3);
    assert.equal(rig.stored(), 3);
  });

  it("of others than those chosen is told", async () => {
    await using rig = await open(3);
    assert.equal((await rig.target.apply(change(3, 2, ["mails-1"]), never)).size, 2);
    rig.api.store.merge(`${podsAt}/mails-2`, { metadata: { deletionTimestamp: "2026-11-21T10:00:00Z" } });
    await waitFor("the notice", () => rig.notices.length > 0, waitMs);
    assert.deepEqual(rig.notices, [
      { reason: "WrongWorkerRemoved", message: "mails-2 of Deployment mails went, and others were chosen" },
    ]);
  });
});

it("a target that somebody else turns back again and again is only raised, and says who (row 14, I16)", async () => {
  await using rig = await open(2);
  const fields = { "f:spec": { "f:replicas": {}, "f:template": {}, "f:selector": {} } };
  for (let n = 0; n < 3; n++) {
    assert.equal((await rig.target.apply(change(2, 8), never)).size, 8);
    await waitFor("our own", () => rig.target.pool()?.wanted === 8, waitMs);
    rig.api.store.merge(at, {
      metadata: { managedFields: [{ manager: "argocd-controller", operation: "Apply", fieldsV1: fields }] },
      spec: { replicas: 2 },
    });
    await waitFor("the manifest's", () => rig.target.pool()?.wanted === 2, waitMs);
  }
  assert.equal(rig.target.trouble()?.reason, "Conflict");
  assert.match(rig.target.trouble()?.message ?? "", /^argocd-controller has turned back the size three times/);
  assert.deepEqual(rig.target.pool()?.removal, { who: "none", because: "argocd-controller sets the size too" });
  assert.equal((await rig.target.apply(change(2, 1), never)).size, 2, "never lowered");
  assert.equal((await rig.target.apply(change(2, 8), never)).size, 8);
});
