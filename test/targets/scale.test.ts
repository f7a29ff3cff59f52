import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Access } from "../support/cluster/access.ts";
import { noControlPlane } from "../support/control-plane.ts";
import { sharedControlPlane } from "../support/shared-control-plane.ts";
import { change, never, openRig, type Rig, waitFor, waitMs } from "./cluster-rig.ts";

describe("a Deployment as a target", { skip: await noControlPlane() }, () => {
  let plane: Access;
  before(async () => {
    plane = await sharedControlPlane();
  });
  after(() => plane[Symbol.asyncDispose]());

  it("is raised by one write, which counts before the watch shows it (I14)", async () => {
    await using rig = await openRig(plane);
    await rig.create("mails", 0);
    await rig.settled(0);
    const { target, until } = rig.open("mails");
    await until("the pool", ({ wanted }) => wanted === 0);
    let told = 0;
    target.onChange(() => told++);
    assert.deepEqual(await target.apply(change(0, 4), never), { size: 4 });
    assert.equal(target.pool()?.wanted, 4);
    assert.deepEqual(target.memory(), { uid: target.pool()?.uid, replicas: 4, original: 0 });
    assert.equal(rig.writes().length, 1);
    await rig.runAll(4);
    await until("4 ready", ({ ready, existing }) => ready === 4 && existing === 4);
    await waitFor("it to be told", () => told > 0, waitMs);
    assert.equal(target.trouble(), undefined);
    assert.equal(target.title, "Deployment mails");
    const { members = [] } = target.pool() ?? {};
    const names = (await rig.living()).map(({ metadata }) => metadata.name);
    assert.deepEqual(members.map(({ id }) => id).toSorted(), names.toSorted());
  });

  it("loses just those who were named, though others are not ready (rows 3 and 37)", async () => {
    await using rig = await openRig(plane);
    await rig.create("mails", 6);
    const pods = await rig.runAll(6, (index) => ({ ready: index !== 5 }));
    const names = pods.map(({ metadata }) => metadata.name);
    const { target, until, notices } = rig.open("mails");
    await until("6 up", ({ members }) => members?.filter(({ ready }) => ready).length === 6);
    const applied = await target.apply(change(6, 3, names.slice(0, 3)), never);
    assert.deepEqual(applied, { size: 3 });
    await rig.settled(3, { ready: 2 });
    assert.deepEqual((await rig.living()).map(({ metadata }) => metadata.name).toSorted(), names.slice(3));
    assert.deepEqual(notices, []);
  });

  it("goes to zero by its size alone", async () => {
    await using rig = await openRig(plane);
    await rig.create("mails", 2);
    const names = (await rig.runAll(2)).map(({ metadata }) => metadata.name);
    await rig.settled(2, { ready: 2 });
    const kept: unknown[] = [];
    const { target, until } = rig.open("mails", { beforeZero: async (memory) => void kept.push(memory) });
    await until("2 up", ({ ready }) => ready === 2);
    assert.deepEqual(await target.apply(change(2, 0, names), never), { size: 0 });
    assert.deepEqual(kept, [{ uid: target.pool()?.uid, replicas: 0 }]);
    assert.deepEqual(
      rig.writes().map(({ method }) => method),
      ["PUT"],
    );
    assert.equal(target.pool()?.limit, undefined, "our own zero holds up nobody");
  });

  it("that a person has set to zero stays there until it is raised, across a restart too", async () => {
    await using rig = await openRig(plane);
    await rig.create("mails", 2);
    const { target, until, notices } = rig.open("mails");
    await until("the pool", ({ wanted }) => wanted === 2);
    await plane.kubectl(["-n", rig.room, "scale", "deployment/mails", "--replicas=0"]);
    await until("the zero", ({ wanted }) => wanted === 0);
    assert.deepEqual(target.pool()?.limit, {
      most: 0,
      reason: "Paused",
      because: "set to zero by somebody: raise it to go on",
    });
    assert.deepEqual(notices, [{ reason: "ScaledByOther", message: "somebody scaled Deployment mails from 2 to 0" }]);
    const again = rig.open("mails", { memory: target.memory });
    await again.until("the zero", ({ limit }) => limit?.reason === "Paused");
    await plane.kubectl(["-n", rig.room, "scale", "deployment/mails", "--replicas=1"]);
    for (const each of [again, { target, until, notices }]) {
      await each.until("the raise", ({ wanted, limit }) => wanted === 1 && limit === undefined);
    }
    assert.match(notices.at(-1)?.message ?? "", / scaled Deployment mails from 0 to 1$/);
  });

  it("that begins at zero, or is applied with zero, waits for nobody", async () => {
    await using rig = await openRig(plane);
    await rig.create("mails", 0);
    const { until } = rig.open("mails");
    await until("the pool", ({ wanted, limit }) => wanted === 0 && limit === undefined);
  });

  it("is written anew at a conflict that changes nothing, and decided anew at one that does (row 9, I7)", async () => {
    await using rig = await openRig(plane);
    await rig.create("mails", 1);
    await rig.settled(1);
    const { target, until } = rig.open("mails", { watches: rig.openWatches() });
    await until("the pool", ({ wanted }) => wanted === 1);
    const path = `${rig.apps}/deployments/mails`;
    const annotate = () => plane.request("PATCH", path, { metadata: { annotations: { at: String(performance.now()) } } });
    await annotate();
    assert.equal((await target.apply(change(1, 3), never)).size, 3);
    const other = rig.open("mails");
    await other.until("3 wanted", ({ wanted }) => wanted === 3);
    // Told nothing of this one yet: the write is turned away, and what the store says is what counts.
    await plane.request("PATCH", `${path}/scale`, { spec: { replicas: 5 } });
    const applied = await other.target.apply(change(3, 4), never);
    assert.equal(applied.size, 3, "it came to nothing");
    await other.until("5 wanted", ({ wanted }) => wanted === 5);
    const { spec } = await plane.request<{ spec: { replicas: number } } & import("../support/control-plane.ts").Thing>(
      "GET",
      path,
    );
    assert.equal(spec.replicas, 5);
  });

  it("which is deleted and made again is another one (row 33, I15)", async () => {
    await using rig = await openRig(plane);
    await rig.create("mails", 3);
    const { target, until, notices } = rig.open("mails");
    await until("the pool", ({ wanted }) => wanted === 3);
    const first = target.pool();
    await plane.request("DELETE", `${rig.apps}/deployments/mails`, { propagationPolicy: "Background" });
    await waitFor("its end", () => target.pool() === undefined, waitMs);
    assert.equal(target.trouble()?.reason, "TargetNotFound");
    await assert.rejects(target.apply(change(3, 5), never), /not known just now/);
    await rig.create("mails", 1);
    await until("the new one", ({ wanted, uid }) => wanted === 1 && uid !== first?.uid);
    assert.ok((target.pool()?.changedAt ?? 0) > (first?.changedAt ?? 0));
    assert.deepEqual(
      notices.map(({ reason }) => reason),
      ["TargetReplaced"],
    );
    await waitFor("the pods of the old one to be gone", () => target.trouble() === undefined, waitMs);
  });

  it("loses nobody during a rollout unless all may go (row 67)", async () => {
    await using rig = await openRig(plane);
    await rig.create("mails", 4);
    await rig.runAll(4);
    const { target, until } = rig.open("mails");
    await until("4 ready", ({ ready }) => ready === 4);
    const template = { spec: { containers: [{ name: "worker", image: "newer" }] } };
    await plane.request("PATCH", `${rig.apps}/deployments/mails`, { spec: { template } });
    await until("a rollout", ({ removal }) => removal?.who === "any");
    assert.equal(target.trouble()?.reason, "RollingOut");
    assert.equal(target.pool()?.removal?.because, "a rollout is under way");
    // As far as it gets: the new ones are never ready. Before that one could come that nobody has named.
    await until("the rollout to stand still", ({ existing }) => existing === 5);
    await waitFor("its controller to have told all of it", async () => (await rolledOut(rig)) === "5 2 2", waitMs);
    const names = (await rig.living()).map(({ metadata }) => metadata.name);
    assert.equal((await target.apply(change(4, 0, names.slice(1)), never)).size, 4, "one of them may be busy");
    assert.equal((await target.apply(change(4, 0, names), never)).size, 0);
  });

  it("whose pods a quota forbids says so, grows no further, and shrinks (row 13)", async () => {
    await using rig = await openRig(plane);
    const hard = { pods: "2" };
    await plane.request("POST", `${rig.core}/resourcequotas`, { metadata: { name: "two" }, spec: { hard } });
    await rig.create("mails", 6);
    const { target, until } = rig.open("mails");
    await until("the trouble", () => /^4 of 6 pods are missing: .*exceeded quota/.test(target.trouble()?.message ?? ""));
    assert.equal(target.trouble()?.reason, "CannotStart");
    assert.equal(target.pool()?.limit?.reason, "WorkersFailing");
    assert.equal((await target.apply(change(6, 2, []), never)).size, 2);
    await until("the end of it", ({ limit }) => limit === undefined);
  });

  it("whose pods a webhook turns away says which one (row 60)", async () => {
    await using rig = await openRig(plane);
    const rule = { apiGroups: [""], operations: ["CREATE"], resources: ["pods"] };
    const pod = { metadata: { name: "probe" }, spec: { containers: [{ name: "worker", image: "none" }] } };
    const probe = () => plane.request("POST", `${rig.core}/pods?dryRun=All`, pod);
    await using _ = await brokenWebhook(plane, rig.room, rule, probe);
    await rig.create("mails", 1);
    const { target, until } = rig.open("mails");
    // Until its controller gives that reason the pod may just be late.
    await until("the trouble", () => /guard\.example\.org/.test(target.trouble()?.message ?? ""));
    assert.equal(target.trouble()?.reason, "CannotStart");
  });

  it("whose size a webhook turns away says which one, and is not taken for done (row 60)", async () => {
    await using rig = await openRig(plane);
    await rig.create("mails", 1);
    const { target, until } = rig.open("mails");
    await until("the pool", ({ wanted }) => wanted === 1);
    const rule = { apiGroups: ["apps"], operations: ["UPDATE"], resources: ["deployments/scale"] };
    const path = `${rig.apps}/deployments/mails/scale?dryRun=All`;
    const probe = () => plane.request("PATCH", path, { spec: { replicas: 2 } });
    await using _ = await brokenWebhook(plane, rig.room, rule, probe);
    await assert.rejects(target.apply(change(1, 3), never), /guard\.example\.org/);
    assert.equal(target.pool()?.wanted, 1);
  });
});

/** Of the Deployment `mails`: pods in all, updated ones, and those that are not available, once its newest template has been seen. */
async function rolledOut(rig: Rig): Promise<string> {
  type Status = { observedGeneration?: number; replicas?: number; updatedReplicas?: number; unavailableReplicas?: number };
  type Deployment = { metadata: { generation: number }; status: Status };
  const { metadata, status } = await rig.plane.request<Deployment>("GET", `${rig.apps}/deployments/mails`);
  const { observedGeneration, replicas, updatedReplicas, unavailableReplicas } = status;
  return observedGeneration === metadata.generation ? `${replicas} ${updatedReplicas} ${unavailableReplicas}` : "not seen yet";
}

/** A webhook that nobody answers for, within one namespace; in force once `probe` is turned away. */
async function brokenWebhook(plane: Access, room: string, rule: object, probe: () => Promise<unknown>): Promise<AsyncDisposable> {
  const path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
  await plane.request("POST", path, {
    metadata: { name: room },
    webhooks: [
      {
        name: "guard.example.org",
        clientConfig: { url: "https://127.0.0.1:1/guard" },
        rules: [{ ...rule, apiVersions: ["v1"] }],
        failurePolicy: "Fail",
        sideEffects: "None",
        admissionReviewVersions: ["v1"],
        namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": room } },
      },
    ],
  });
  const refused = () =>
    probe().then(
      () => false,
      (error: unknown) => String(error).includes("guard.example.org"),
    );
  await waitFor("the webhook", refused, waitMs);
  return { [Symbol.asyncDispose]: () => plane.request("DELETE", `${path}/${room}`).then(() => {}) };
}
