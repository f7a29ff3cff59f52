import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { KubeError, type WriteOptions } from "../../src/kube/kube.ts";
import { startProxy } from "../support/proxy.ts";
import { waitFor } from "../support/wait.ts";
import { type ConfigMap, clientThrough, configMap, configMaps, createRig, deployments, refTo, shop } from "./support.ts";

/** The failure of a call that must fail. */
async function failureOf(call: Promise<unknown>): Promise<KubeError> {
  const error = await call.then(
    () => assert.fail("must have failed"),
    (error: unknown) => error,
  );
  assert.ok(error instanceof KubeError, String(error));
  return error;
}

describe("the client of the API server", () => {
  it("reads, lists by pages, creates, updates, patches and removes", async () => {
    await using rig = await createRig();
    const { api, kube } = rig;
    for (const name of ["a", "b", "c"]) await kube.create(configMaps, configMap(name, { x: "1" }));
    const first = await kube.list<ConfigMap>({ kind: configMaps, namespace: "shop" }, { limit: 2 });
    assert.deepEqual([first.items.map(({ metadata }) => metadata.name), first.next], [["a", "b"], "2"]);
    const second = await kube.list<ConfigMap>({ kind: configMaps }, { limit: 2, next: "2" });
    assert.deepEqual([second.items.map(({ metadata }) => metadata.name), second.next], [["c"], undefined]);

    const a = await kube.get<ConfigMap>(refTo("a"));
    await kube.update(refTo("a"), { ...a, data: { x: "2" } });
    const merged = await kube.patch<ConfigMap>(refTo("a"), { type: "merge", body: { data: { y: "3" } } });
    assert.deepEqual(merged.data, { x: "2", y: "3" });
    assert.equal((await failureOf(kube.update(refTo("a"), a))).reason, "Conflict");
    await kube.remove(refTo("a"));
    const gone = await failureOf(kube.get(refTo("a")));
    assert.deepEqual([gone.status, gone.reason, gone.outcome], [404, "NotFound", "refused"]);
    assert.ok(!api.requests.some(({ query }) => query.get("resourceVersion") === "0"), "no read from a cache that may be old");
  });

  it("writes /scale only on the version that was decided on", async () => {
    await using rig = await createRig();
    const { kube, api } = rig;
    await kube.create(deployments, { metadata: { name: "mails", namespace: "shop" }, spec: { replicas: 1 } });
    const ref = refTo("mails", deployments);
    const { resourceVersion } = (await kube.getScale(ref)).metadata;
    const scaled = await kube.putScale(ref, { replicas: 5, resourceVersion });
    assert.equal(scaled.spec.replicas, 5);
    assert.equal((await failureOf(kube.putScale(ref, { replicas: 6, resourceVersion }))).reason, "Conflict", "row 9");
    assert.deepEqual(api.store.found("/apis/apps/v1/namespaces/shop/deployments/mails")["spec"], { replicas: 5 });
  });

  it("uses one connection for 200 lists, one after the other and all at once", async () => {
    await using rig = await createRig();
    const { kube, api } = rig;
    for (let i = 0; i < 100; i++) await kube.list({ kind: configMaps });
    await Promise.all(Array.from({ length: 100 }, () => kube.list({ kind: configMaps })));
    assert.equal(api.dials(), 1);
  });

  it("never names many by mistake", async () => {
    await using rig = await createRig();
    for (const name of ["", "a"]) {
      const ref = name === "" ? refTo("") : { kind: configMaps, name };
      assert.equal((await failureOf(rig.kube.remove(ref))).reason, "BadRequest");
    }
    assert.equal(rig.api.requests.length, 0);
  });
});

describe("a write whose answer is lost (row 21)", () => {
  for (const [title, fault] of [
    ["answered 504", { doneThen: 504 }],
    ["answered 500", { doneThen: 500 }],
    ["cut off", { doneThen: "lost" }],
  ] as const) {
    it(`has an unknown outcome and is not sent again when ${title}`, async () => {
      await using rig = await createRig();
      const { kube, api } = rig;
      await kube.create(configMaps, configMap("a"));
      api.set(({ method }) => (method === "PATCH" ? fault : undefined));
      const failure = await failureOf(kube.patch(refTo("a"), { type: "merge", body: { data: { x: "1" } } }));
      assert.equal(failure.outcome, "unknown");
      assert.equal(api.requests.filter(({ method }) => method === "PATCH").length, 1);
      assert.deepEqual((await kube.get<ConfigMap>(refTo("a"))).data, { x: "1" }, "a read tells that it was done");
    });
  }

  it("ends at its deadline, and is known to have had none when it never left", async () => {
    await using rig = await createRig();
    const { kube, api } = rig;
    await kube.create(configMaps, configMap("a"));
    api.set(({ method }) => (method === "PATCH" ? { afterMs: Number.POSITIVE_INFINITY } : undefined));
    const patch = { type: "merge", body: {} } as const;
    const late = await failureOf(kube.patch(refTo("a"), patch, { deadlineMs: 300 }));
    assert.deepEqual([late.reason, late.outcome], ["Timeout", "unknown"]);
    const held = Array.from({ length: 34 }, () => failureOf(kube.patch(refTo("a"), patch, { deadlineMs: 3_000 })));
    const waiting = await failureOf(kube.patch(refTo("a"), patch, { deadlineMs: 300 }));
    assert.deepEqual([waiting.reason, waiting.outcome], ["Timeout", "refused"], "it waited for its turn only");
    await Promise.all(held);
  });

  it("has an unknown outcome when something in between answers with a page", async () => {
    await using rig = await createRig();
    const { kube, api } = rig;
    api.set(() => ({ page: "<html>signed in</html>" }));
    assert.equal((await failureOf(kube.create(configMaps, configMap("a")))).outcome, "unknown");
    assert.equal(api.requests.length, 1);
  });

  it("repeats a read until it is answered", async () => {
    await using rig = await createRig();
    const { kube, api } = rig;
    api.store.create(`${shop}/a`, configMap("a"));
    const faults = ["cut", { status: 503 }, { status: 504 }] as const;
    let asked = 0;
    api.set(({ method }) => (method === "GET" ? faults[asked++] : undefined));
    assert.equal((await kube.get(refTo("a"))).metadata.name, "a");
    assert.equal(asked, 4);
  });
});

describe("a server that wants to be left alone (row 22)", () => {
  it("is, for as long as Retry-After says, and the write then goes out", async () => {
    await using rig = await createRig();
    const { kube, api } = rig;
    let refused = 0;
    api.set(() => (refused++ === 0 ? { status: 429, headers: { "retry-after": "1" } } : undefined));
    const began = performance.now();
    await kube.create(configMaps, configMap("a"), { lane: "raise" });
    assert.ok(performance.now() - began >= 1_000, "not before the second has passed");
    assert.equal(api.requests.length, 2);
  });

  it("holds up what is less urgent than what was refused, and nothing that is more so", async () => {
    await using rig = await createRig();
    const { kube, api } = rig;
    api.set(({ query }) =>
      query.get("fieldManager") === "status" ? { status: 429, headers: { "retry-after": "30" } } : undefined,
    );
    const refused = await failureOf(kube.create(configMaps, configMap("s"), { lane: "status", fieldManager: "status" }));
    assert.deepEqual([refused.status, refused.retryAfterMs, refused.outcome], [429, 30_000, "refused"]);
    const event = await failureOf(kube.create(configMaps, configMap("e"), { lane: "events", deadlineMs: 300 }));
    assert.equal(event.reason, "Timeout", "events wait too");
    await kube.create(configMaps, configMap("r"), { lane: "raise" });
    assert.equal(api.requests.length, 2, "status once, no event, and the raise");
  });

  it("lets a raise through while slow status writes fill their lane", async () => {
    await using rig = await createRig();
    const { kube, api } = rig;
    const held = Promise.withResolvers<void>();
    api.setAfter(({ query }) => (query.get("fieldManager") === "status" ? held.promise : undefined));
    const slow = Array.from({ length: 60 }, (_, i) =>
      kube.create(configMaps, configMap(`s${i}`), { lane: "status", fieldManager: "status" }),
    );
    await kube.create(configMaps, configMap("r"), { lane: "raise" });
    const before = api.requests.filter(({ query }) => query.get("fieldManager") === "status").length;
    assert.ok(before <= 12, `${before} status writes were on their way`);
    held.resolve();
    await Promise.allSettled(slow);
  });
});

describe("a write behind a fence (row 11)", () => {
  it("is not sent once the lease has passed, and the fence is asked when it goes out, not when it was asked for", async () => {
    await using rig = await createRig();
    const { kube, api } = rig;
    let leftMs = 10_000;
    await kube.create(configMaps, configMap("a"), { fence: () => leftMs });
    const held = Promise.withResolvers<void>();
    api.setAfter(() => held.promise);
    const patch = { type: "merge", body: {} } as const;
    const busy = Array.from({ length: 40 }, () => kube.patch(refTo("a"), patch, { lane: "raise", fence: () => leftMs }));
    const waiting = failureOf(kube.patch(refTo("a"), patch, { lane: "lower", fence: () => leftMs }));
    await waitFor("the raises to be on their way", () => api.requests.length === 41);
    leftMs = 0;
    held.resolve();
    const failure = await waiting;
    assert.deepEqual([failure.reason, failure.outcome], ["NotLeader", "refused"]);
    assert.ok((await Promise.all(busy)).length === 40, "what was sent before ends well");
  });

  it("ends before the lease does", async () => {
    await using rig = await createRig();
    const { kube, api } = rig;
    await kube.create(configMaps, configMap("first")); // its connection takes a while, in which nothing would be sent
    api.set(() => ({ afterMs: Number.POSITIVE_INFINITY }));
    const ended: string[] = [];
    const create = (name: string, options: WriteOptions) =>
      failureOf(kube.create(configMaps, configMap(name), options)).finally(() => ended.push(name));
    const [failure] = await Promise.all([create("fenced", { fence: () => 400 }), create("free", {})]);
    assert.deepEqual([failure.reason, failure.outcome], ["Timeout", "unknown"]);
    assert.deepEqual(ended, ["fenced", "free"]);
  });
});

describe("a write whose server has gone silent (row 23)", () => {
  it("leads to another session, though it may not wait for as long as others", async () => {
    await using rig = await createRig();
    const { kubeconfig, port } = rig.api;
    await using proxy = await startProxy(() => port);
    await using kube = await clientThrough({ kubeconfig, url: `https://127.0.0.1:${port}` }, proxy.port);
    await kube.create(configMaps, configMap("first"));
    await proxy.set({ kind: "freeze" }); // what is open is; what is new passes
    const fence = () => 1_000;
    assert.equal((await failureOf(kube.create(configMaps, configMap("second"), { fence }))).outcome, "unknown");
    await kube.create(configMaps, configMap("third"), { fence: () => 4_000 });
  });
});

describe("discovery", () => {
  it("says which kinds are there and have /scale, and asks once for each group", async () => {
    await using rig = await createRig();
    const { kube, api } = rig;
    const resources = [
      { name: "deployments", kind: "Deployment", namespaced: true },
      { name: "deployments/scale", kind: "Scale", namespaced: true },
      { name: "daemonsets", kind: "DaemonSet", namespaced: true },
    ];
    api.setDiscovery("/apis/apps/v1", resources);
    assert.deepEqual(await kube.discover("apps/v1", "Deployment"), { kind: deployments, scale: true, status: false });
    assert.equal((await kube.discover("apps/v1", "DaemonSet"))?.scale, false, "row 95");
    assert.equal(api.requests.length, 1);
    assert.equal(await kube.discover("argoproj.io/v1alpha1", "Rollout"), undefined);
  });
});
