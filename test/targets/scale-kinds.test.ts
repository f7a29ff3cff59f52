import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, it } from "node:test";
import type { Access } from "../support/cluster/access.ts";
import { noControlPlane } from "../support/control-plane.ts";
import { createUser, sharedControlPlane } from "../support/shared-control-plane.ts";
import { change, never, openRig, waitFor, waitMs } from "./cluster-rig.ts";

describe("targets of other kinds", { skip: await noControlPlane() }, () => {
  let plane: Access;
  before(async () => {
    plane = await sharedControlPlane();
  });
  after(() => plane[Symbol.asyncDispose]());

  it("a StatefulSet shrinks from the top, and only as far as those there were named", async () => {
    await using rig = await openRig(plane);
    await rig.create("mails", 4, "StatefulSet");
    await rig.runAll(4);
    await rig.settled(4, { ready: 4 });
    const { target, until } = rig.open("mails", { kind: "StatefulSet" });
    await until("4 ready", ({ ready }) => ready === 4);
    assert.equal(target.pool()?.removal?.who, "first");
    assert.deepEqual(
      target.pool()?.members?.map(({ id }) => id),
      ["mails-3", "mails-2", "mails-1", "mails-0"],
    );
    assert.equal((await target.apply(change(4, 3, ["mails-1"]), never)).size, 4, "not at the top");
    const applied = await target.apply(change(4, 1, ["mails-3", "mails-2", "mails-0"]), never);
    assert.equal(applied.size, 2);
    await rig.settled(2, { ready: 2 });
    assert.deepEqual((await rig.living()).map(({ metadata }) => metadata.name).toSorted(), ["mails-0", "mails-1"]);
  });

  it("a ReplicaSet loses just those who were named", async () => {
    await using rig = await openRig(plane);
    await rig.create("mails", 4, "ReplicaSet");
    const names = (await rig.runAll(4, (index) => ({ ready: index > 1 }))).map(({ metadata }) => metadata.name);
    const { target, until } = rig.open("mails", { kind: "ReplicaSet" });
    await until("4 up", ({ members }) => members?.filter(({ ready }) => ready).length === 4);
    assert.equal((await target.apply(change(4, 2, names.slice(2)), never)).size, 2);
    await rig.settled(2);
    assert.deepEqual((await rig.living()).map(({ metadata }) => metadata.name).toSorted(), names.slice(0, 2));
  });

  it("a kind of its own is found by discovery, its size and pods by its /scale", async () => {
    await using rig = await openRig(plane);
    await using crews = await crewKind(plane, rig.room);
    await crews.create("mails", 1);
    const { target, until } = rig.open("mails", { kind: "Crew", apiVersion: `${crews.group}/v1` });
    await until("the pool", ({ wanted }) => wanted === 1);
    const pod = { metadata: { name: "m1", labels: { app: "mails" } }, spec: { containers: [{ name: "worker", image: "none" }] } };
    await plane.request("POST", `${rig.core}/pods`, pod);
    await until("its pod", ({ existing, removal }) => existing === 1 && removal?.who === "any");
    assert.equal((await target.apply(change(1, 3), never)).size, 3);
    assert.equal((await target.apply(change(3, 1, ["m1"]), never)).size, 1);
    const { spec } = await plane.request<{ spec: { size: number } }>("GET", `${crews.path}/mails`);
    assert.equal(spec.size, 1);
    await plane.request("PATCH", `${crews.path}/mails/scale`, { spec: { replicas: 6 } });
    await until("the size of somebody else", ({ wanted }) => wanted === 6);
  });

  it("a kind that is deleted and made again is found again (row 61)", async () => {
    await using rig = await openRig(plane);
    const first = await crewKind(plane, rig.room);
    await first.create("mails", 2);
    const { target, until } = rig.open("mails", { kind: "Crew", apiVersion: `${first.group}/v1` });
    await until("the pool", ({ wanted }) => wanted === 2);
    await first[Symbol.asyncDispose]();
    const isGone = () => target.pool() === undefined && target.trouble()?.reason === "TargetNotFound";
    await waitFor("its end", isGone, waitMs);
    await using second = await crewKind(plane, rig.room);
    await second.create("mails", 3);
    await waitFor("the new one", () => target.pool()?.wanted === 3 && target.trouble() === undefined, waitMs);
    assert.equal((await target.apply(change(3, 4), never)).size, 4);
  });

  it("one without /scale, without a kind, or not there says so (row 95)", async () => {
    await using rig = await openRig(plane);
    await plane.request("POST", `${rig.core}/configmaps`, { metadata: { name: "mails" } });
    const tables: [string, string, string, RegExp][] = [
      ["ConfigMap", "v1", "TargetNotScalable", /^ConfigMap mails \(v1\) cannot be scaled: its kind has no \/scale$/],
      ["Crew", "nowhere.example.org/v1", "TargetNotScalable", /no such kind$/],
      ["Deployment", "apps/v1", "TargetNotFound", /^there is no Deployment mails in test-/],
    ];
    for (const [kind, apiVersion, reason, message] of tables) {
      const { target } = rig.open("mails", { kind, apiVersion });
      await waitFor(`the trouble of ${kind}`, () => target.trouble() !== undefined, waitMs);
      assert.equal(target.trouble()?.reason, reason);
      assert.match(target.trouble()?.message ?? "", message);
      assert.equal(target.pool(), undefined);
      await assert.rejects(target.apply(change(0, 1), never), /not known just now/);
    }
  });

  it("one that we may not read, or not write, says so (row 63)", async () => {
    await using rig = await openRig(plane);
    const read = { apiGroups: ["apps"], resources: ["deployments"], verbs: ["get", "list", "watch"] };
    const pods = { apiGroups: [""], resources: ["pods"], verbs: ["list", "watch"] };
    await using blind = await createUser(plane, { namespace: rig.room, name: "blind", rules: [pods] });
    await using bound = await createUser(plane, { namespace: rig.room, name: "bound", rules: [read, pods] });
    await rig.create("mails", 1);
    await using hidden = await openRig(plane, blind);
    const unseen = hidden.open("mails", {
      ref: { apiVersion: "apps/v1", kind: "Deployment", namespace: rig.room, name: "mails" },
    });
    await waitFor("the trouble", () => unseen.target.trouble()?.reason === "Forbidden", waitMs);
    await using readable = await openRig(plane, bound, rig.room);
    const { target, until } = readable.open("mails");
    await until("the pool", ({ wanted }) => wanted === 1);
    await assert.rejects(target.apply(change(1, 2), never), /forbidden/i);
    await waitFor("the trouble", () => target.trouble()?.reason === "Forbidden", waitMs);
    assert.match(target.trouble()?.message ?? "", /deployments\/scale/);
  });

  it("one in a namespace that ends is let go, and nothing is written to it (row 62)", async () => {
    const name = `test-${randomBytes(5).toString("hex")}`;
    await plane.request("POST", "/api/v1/namespaces", { metadata: { name } });
    await using rig = await openRig(plane, plane, name);
    await rig.create("mails", 1);
    const { target, until } = rig.open("mails");
    await until("the pool", ({ wanted }) => wanted === 1);
    await plane.request("DELETE", `/api/v1/namespaces/${name}`);
    await waitFor("its end", () => target.pool() === undefined, waitMs);
    assert.equal(target.trouble()?.reason, "TargetNotFound");
    await assert.rejects(target.apply(change(1, 3), never), /not known just now/);
    assert.deepEqual(rig.writes(), []);
  });
});

/** A kind whose /scale stands elsewhere than usual. */
async function crewKind(plane: Access, room: string) {
  const group = `${room}.example.org`;
  const name = `crews.${group}`;
  const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
  const loose = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
  const version = {
    name: "v1",
    served: true,
    storage: true,
    schema: { openAPIV3Schema: { type: "object", properties: { spec: loose, status: loose } } },
    subresources: {
      status: {},
      scale: { specReplicasPath: ".spec.size", statusReplicasPath: ".status.size", labelSelectorPath: ".status.selector" },
    },
  };
  await plane.request("POST", definitions, {
    metadata: { name },
    spec: { group, scope: "Namespaced", names: { plural: "crews", singular: "crew", kind: "Crew" }, versions: [version] },
  });
  const path = `/apis/${group}/v1/namespaces/${room}/crews`;
  await waitFor(
    "the kind",
    () =>
      plane.request("GET", path).then(
        () => true,
        () => false,
      ),
    waitMs,
  );
  return {
    group,
    path,
    async create(name: string, size: number) {
      const crew = { apiVersion: `${group}/v1`, kind: "Crew", metadata: { name }, spec: { size } };
      await plane.request("POST", path, crew);
      await plane.request("PATCH", `${path}/${name}/status`, { status: { size, selector: `app=${name}` } });
    },
    async [Symbol.asyncDispose]() {
      await plane.request("DELETE", `${definitions}/${name}`);
      const gone = () =>
        plane.request("GET", `${definitions}/${name}`).then(
          () => false,
          () => true,
        );
      await waitFor("the end of the kind", gone, waitMs);
    },
  };
}
