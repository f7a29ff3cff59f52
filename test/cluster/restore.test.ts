import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { parseObject } from "../../src/api/object.ts";
import type { ScaledWorkerStatus } from "../../src/api/status.ts";
import type { WorkerObject } from "../../src/cluster/declared.ts";
import { keepFinalizers } from "../../src/cluster/restore.ts";
import { type JsonPatchStep, type Kube, KubeError, type ObjectRef } from "../../src/kube/kube.ts";
import type { WatchList } from "../../src/kube/watch-list.ts";
import { api, type Draft, worker } from "../api/objects.ts";

const ours = "worktide.dev/restore";
const denied = (message: string) => new KubeError({ status: 403, reason: "Forbidden", message, outcome: "refused" });

function stored(
  name: string,
  metadata: object,
  size?: ScaledWorkerStatus["size"],
  change: (spec: Draft) => void = () => {},
): WorkerObject {
  const object = worker(name);
  object.spec.onDelete = "Restore";
  change(object.spec);
  Object.assign(object.metadata, { namespace: "shop", uid: name, ...metadata });
  const parsed = parseObject(object, api);
  return {
    createdAt: "",
    parsed,
    status: size === undefined ? {} : { size },
    observed: { resourceVersion: "1", fingerprint: "" },
  };
}

const leaving = { deletionTimestamp: "2026-12-24T18:00:00Z", finalizers: [ours] };
const three = { uid: "u", replicas: 9, original: 3 };

/** Objects whose finalizers are kept on an API server that does as it is told. */
function rig(t: TestContext, objects: readonly WorkerObject[]) {
  t.mock.timers.enable({ apis: ["setInterval", "Date"] });
  type Listener = Parameters<WatchList<WorkerObject>["onChange"]>[0];
  const state = { refusePatch: "", refuseSize: false, uid: "u", changed: (() => {}) as Listener };
  const written: string[] = [];
  const told: string[] = [];
  const kube = {
    discover: async (apiVersion: string, kind: string) => ({ kind: { apiVersion, kind, plural: "", namespaced: true } }),
    getScale: async () => ({ metadata: { uid: state.uid, resourceVersion: "1" }, spec: { replicas: 9 } }),
    async putScale({ name }: ObjectRef, { replicas }: { replicas: number }) {
      if (state.refuseSize) throw denied("no sizes today");
      written.push(`${name} to ${replicas}`);
    },
    async patch({ name }: ObjectRef, { body: [test, add] }: { body: readonly JsonPatchStep[] }) {
      if (state.refusePatch === name) throw denied("no edits today");
      written.push(`${name} ${JSON.stringify(test?.value)} -> ${JSON.stringify(add?.value)}`);
    },
  } as unknown as Kube;
  const keeper = keepFinalizers({
    kube,
    workers: {
      entries: () => objects.map((one): [string, WorkerObject] => [`shop/${one.parsed.name}`, one]).values(),
      onChange(listener) {
        state.changed = listener;
        return () => {};
      },
    },
    mayWrite: () => true,
    gaveUp: (key, reason) => void told.push(`${key} given up: ${reason}`),
    failed: (doing, cause) => void told.push(`${doing}: ${(cause as Error).message}`),
  });
  t.after(() => keeper[Symbol.asyncDispose]());
  const pass = async (ms: number) => {
    for (let left = ms; left > 0; left -= 2_000) {
      t.mock.timers.tick(2_000);
      await new Promise(setImmediate);
    }
  };
  return { state, written, told, pass };
}

describe("the finalizer", () => {
  it("comes with the size that is to be given back, beside those of others, and goes with the wish for it", async (t) => {
    const { written, pass } = rig(t, [
      stored("unseen", {}),
      stored("alone", {}, three),
      stored("among", { finalizers: ["example.org/other"] }, three),
      stored("kept", { finalizers: [ours] }, three),
      stored("unwanted", { finalizers: [ours, "example.org/other"] }, three, (spec) => (spec.onDelete = "Keep")),
      stored("wrong", { finalizers: [ours] }, three, (spec) => (spec.formula = "no such thing")),
    ]);
    await pass(2_000);
    assert.deepEqual(written, [
      `alone null -> ["${ours}"]`,
      `among ["example.org/other"] -> ["example.org/other","${ours}"]`,
      `unwanted ["${ours}","example.org/other"] -> ["example.org/other"]`,
    ]);
  });

  it("comes at once when the size is seen: who is deleted before it came gets nothing back", async (t) => {
    const sized = stored("alone", {}, three);
    const { written, state } = rig(t, [sized]);
    state.changed("shop/alone", stored("alone", {}), undefined);
    await new Promise(setImmediate);
    assert.deepEqual(written, []);
    state.changed("shop/alone", sized, stored("alone", {}));
    await new Promise(setImmediate);
    assert.deepEqual(written, [`alone null -> ["${ours}"]`]);
  });

  it("that may not be written holds up nobody else, and is told of once", async (t) => {
    const { state, written, told, pass } = rig(t, [stored("a", leaving, three), stored("b", leaving, three)]);
    state.refusePatch = "a";
    await pass(6_000);
    assert.ok(written.includes(`b ["${ours}"] -> []`));
    assert.deepEqual(told, ["keeping the finalizer of shop/a: no edits today"]);
    state.refusePatch = "";
    await pass(2_000);
    assert.ok(written.includes(`a ["${ours}"] -> []`));
  });
});

describe("a size", () => {
  it("is given back before its ScaledWorker goes", async (t) => {
    const { written, pass } = rig(t, [stored("a", leaving, three)]);
    await pass(2_000);
    assert.deepEqual(written, ["a to 3", `a ["${ours}"] -> []`]);
  });

  it("that nobody takes is given up after a minute: deletion does not hang", async (t) => {
    const { state, written, told, pass } = rig(t, [stored("a", leaving, three)]);
    state.refuseSize = true;
    await pass(60_000);
    assert.deepEqual([written, told], [[], []]);
    await pass(2_000);
    assert.deepEqual(written, [`a ["${ours}"] -> []`]);
    assert.deepEqual(told, ["shop/a given up: no sizes today"]);
  });

  it("is not given to another object of that name, nor where nothing was ever written", async (t) => {
    const { state, written, told, pass } = rig(t, [
      stored("a", leaving, three),
      stored("b", leaving, three, (spec) => (spec.mode = "Observe")),
      stored("c", leaving),
    ]);
    state.uid = "another";
    await pass(2_000);
    assert.deepEqual(written.map((line) => line.split(" ")[0]).toSorted(), ["a", "b", "c"]);
    assert.ok(
      written.every((line) => line.endsWith("-> []")),
      written.join(),
    );
    assert.deepEqual(told, []);
  });

  it("of a spec with an error is given up at once, and said so", async (t) => {
    const { written, told, pass } = rig(t, [stored("a", leaving, three, (spec) => (spec.formula = "no such thing"))]);
    await pass(2_000);
    assert.deepEqual(told, ["shop/a given up: its spec has an error"]);
    assert.deepEqual(written, [`a ["${ours}"] -> []`]);
  });
});
