import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import { createEvents, eventKind } from "../../src/kube/events.ts";
import { isKubeError, type Kind, type KubeObject, type Scale } from "../../src/kube/kube.ts";
import { contend } from "../../src/kube/lease.ts";
import { createReferences } from "../../src/kube/references.ts";
import { createStatusWriter, type ObservedStatus } from "../../src/kube/status.ts";
import { watchList } from "../../src/kube/watch-list.ts";
import { definitionS } from "../support/cluster/established.ts";
import { startProxy } from "../support/proxy.ts";
import { createUser, namespace } from "../support/shared-control-plane.ts";
import { waitFor } from "../support/wait.ts";
import { type ConfigMap, clientOf, clientThrough, configMaps, deployments, leases, planeForSuite, secrets } from "./support.ts";

const { skip, plane, kube } = await planeForSuite();

/** Everything that only a real API server can confirm. */
describe("against a real API server", { skip }, () => {
  it("every kind of patch does what it says, and a removal hits the very object it means", async () => {
    await using space = await namespace(plane);
    const ref = { kind: configMaps, namespace: space.name, name: "a" };
    const made = await kube.create<ConfigMap>(configMaps, {
      metadata: { name: "a", namespace: space.name },
      data: { x: "1", y: "1" },
    });
    const merged = await kube.patch<ConfigMap>(ref, { type: "merge", body: { data: { x: "2", y: null } } });
    assert.deepEqual(merged.data, { x: "2" });
    const steps = [{ op: "test", path: "/data/x", value: "2" } as const, { op: "replace", path: "/data/x", value: "3" } as const];
    assert.deepEqual((await kube.patch<ConfigMap>(ref, { type: "json", body: steps })).data, { x: "3" });
    await assert.rejects(kube.patch(ref, { type: "json", body: steps }), { status: 422, outcome: "refused" });
    const body = { apiVersion: "v1", kind: "ConfigMap", data: { x: "4" } };
    await assert.rejects(kube.patch(ref, { type: "apply", body }, { fieldManager: "other" }), { reason: "Conflict" });
    const applied = await kube.patch<ConfigMap>(ref, { type: "apply", body, force: true }, { fieldManager: "other" });
    assert.ok(applied.metadata.managedFields?.some(({ manager, operation }) => manager === "other" && operation === "Apply"));
    await kube.patch(ref, { type: "merge", body: { data: { x: "5" } } }, { dryRun: true });
    assert.deepEqual((await kube.get<ConfigMap>(ref)).data, { x: "4" });
    await assert.rejects(kube.remove(ref, { uid: "somebody-else" }), { reason: "Conflict" });
    await kube.remove(ref, { uid: made.metadata.uid });
    await assert.rejects(kube.get(ref), { status: 404, reason: "NotFound" });
    await assert.rejects(kube.create(configMaps, { metadata: { name: "b", namespace: space.name }, typo: 1 }), { status: 400 });
  });

  it("/scale is found by discovery, read, and written only on the version that was decided on (rows 9, 95)", async () => {
    await using space = await namespace(plane);
    assert.deepEqual(await kube.discover("apps/v1", "Deployment"), { kind: deployments, scale: true, status: true });
    assert.equal((await kube.discover("v1", "ConfigMap"))?.scale, false);
    assert.equal(await kube.discover("argoproj.io/v1alpha1", "Rollout"), undefined);
    const labels = { app: "mails" };
    const template = { metadata: { labels }, spec: { containers: [{ name: "main", image: "none" }] } };
    const metadata = { name: "mails", namespace: space.name };
    await kube.create(deployments, { metadata, spec: { replicas: 0, selector: { matchLabels: labels }, template } });
    const ref = { kind: deployments, namespace: space.name, name: "mails" };
    const before = await kube.getScale(ref);
    assert.deepEqual([before.spec.replicas ?? 0, before.status.selector], [0, "app=mails"]);
    await kube.patch(ref, { type: "merge", body: { metadata: { annotations: { a: "b" } } } });
    const stale = { replicas: 5, resourceVersion: before.metadata.resourceVersion };
    await assert.rejects(kube.putScale(ref, stale), { status: 409, reason: "Conflict", outcome: "refused" });
    for (let tries = 0; ; tries++) {
      const { resourceVersion } = (await kube.getScale(ref)).metadata;
      try {
        assert.equal((await kube.putScale(ref, { replicas: 5, resourceVersion }, { lane: "raise" })).spec.replicas, 5);
        break;
      } catch (error) {
        assert.ok(isKubeError(error, "Conflict") && tries < 20, String(error)); // its controller writes status meanwhile
      }
    }
    // Or at the size that was decided on, whatever else has changed.
    const { uid } = before.metadata;
    const body = (at: number, to: number) => [
      { op: "test" as const, path: "/metadata/uid", value: uid },
      { op: "test" as const, path: "/spec/replicas", value: at },
      { op: "replace" as const, path: "/spec/replicas", value: to },
    ];
    const patched = await kube.patch<Scale>(ref, { type: "json", body: body(5, 3) }, { subresource: "scale" });
    assert.equal(patched.spec.replicas, 3);
    assert.equal((await kube.getScale(ref)).spec.replicas, 3);
    await assert.rejects(kube.patch(ref, { type: "json", body: body(5, 2) }, { subresource: "scale" }), {
      ...{ status: 422, reason: "Invalid", outcome: "refused" },
    });
  });

  it("200 lists take one connection", async () => {
    await using proxy = await startProxy(() => Number(new URL(plane.url).port));
    await using direct = await clientThrough(plane, proxy.port);
    for (let i = 0; i < 100; i++) await direct.list({ kind: configMaps, namespace: "kube-system" });
    await Promise.all(Array.from({ length: 100 }, () => direct.list({ kind: configMaps, namespace: "kube-system" })));
    assert.equal(proxy.dials(), 1);
  });

  it("a Role in one namespace is enough to follow it, and one that names a Secret is enough for that Secret", async () => {
    await using space = await namespace(plane);
    const rules = [
      { apiGroups: [""], resources: ["configmaps"], verbs: ["list", "watch"] },
      { apiGroups: [""], resources: ["secrets"], resourceNames: ["redis"], verbs: ["get", "list", "watch"] },
    ];
    await using user = await createUser(plane, { namespace: space.name, name: "small", rules });
    await using small = await clientOf(user.kubeconfig);
    await using list = watchList(
      small,
      { kind: configMaps, namespaces: [space.name] },
      ({ data }: ConfigMap) => data?.["x"] ?? "",
    );
    await list.synced;
    await kube.create(configMaps, { metadata: { name: "a", namespace: space.name }, data: { x: "1" } });
    await waitFor("the config map", () => list.get(`${space.name}/a`) === "1");

    await using references = createReferences({ kube: small, keepSecret: () => {} });
    const redis = { kind: "Secret", namespace: space.name, name: "redis" } as const;
    let changes = 0;
    references.use(redis, () => changes++);
    await kube.create(secrets, { metadata: { name: "redis", namespace: space.name }, stringData: { password: "one" } });
    await waitFor("the Secret", () => changes === 1);
    const signal = new AbortController().signal;
    assert.equal(await references.value(redis, "password", signal), "one");
    await kube.patch(
      { kind: secrets, namespace: space.name, name: "redis" },
      { type: "merge", body: { stringData: { password: "two" } } },
    );
    await waitFor("its rotation (row 27)", () => changes === 2);
    assert.equal(await references.value(redis, "password", signal), "two");
    await assert.rejects(references.value({ ...redis, name: "other" }, "password", signal), { status: 403, reason: "Forbidden" });
  });

  it("what may not be read is told of, and comes when it may be (row 63)", async () => {
    await using space = await namespace(plane);
    await using user = await createUser(plane, { namespace: space.name, name: "nobody", rules: [] });
    await using nobody = await clientOf(user.kubeconfig);
    await using list = watchList(nobody, { kind: configMaps, namespaces: [space.name] }, () => true);
    await waitFor("the refusal", () => list.problem()?.reason === "Forbidden");
    assert.deepEqual([list.isSynced(), list.ageMs()], [false, undefined]);
  });

  it("a write into a namespace that is going, or past a webhook that is away, is refused with that as the reason (rows 60, 62)", async () => {
    const webhooks: Kind = {
      apiVersion: "admissionregistration.k8s.io/v1",
      kind: "ValidatingWebhookConfiguration",
      plural: "validatingwebhookconfigurations",
      namespaced: false,
    };
    await using space = await namespace(plane);
    const webhook = {
      name: "away.worktide.test",
      clientConfig: { url: "https://127.0.0.1:1/" },
      rules: [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["configmaps"] }],
      namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": space.name } },
      failurePolicy: "Fail",
      sideEffects: "None",
      admissionReviewVersions: ["v1"],
    };
    await kube.create(webhooks, { metadata: { name: space.name }, webhooks: [webhook] });
    const create = (name: string) =>
      kube.create(configMaps, { metadata: { name, namespace: space.name, finalizers: ["worktide.test/hold"] } });
    await waitFor("the webhook to be asked", async () => {
      const error = await create(`a-${randomBytes(4).toString("hex")}`).catch((error: unknown) => error);
      return isKubeError(error) && error.message.includes("away.worktide.test") && error.outcome === "refused";
    });
    await kube.remove({ kind: webhooks, name: space.name });
    await waitFor("an object that holds the namespace", () =>
      create("held").then(
        () => true,
        () => false,
      ),
    );
    await plane.request("DELETE", `/api/v1/namespaces/${space.name}`);
    await waitFor("the refusal", () =>
      create(`b-${randomBytes(4).toString("hex")}`).then(
        () => false,
        (error) => isKubeError(error, "NamespaceTerminating"),
      ),
    );
    const free = { type: "merge", body: { metadata: { finalizers: null } } } as const;
    for (const { metadata } of (await kube.list({ kind: configMaps, namespace: space.name })).items) {
      await kube.patch({ kind: configMaps, namespace: space.name, name: metadata.name }, free);
    }
  });

  it("a Lease changes hands within a moment, and kubectl can read it", async () => {
    await using space = await namespace(plane);
    const options = { namespace: space.name, name: "worktide" };
    const first = contend({ kube, ...options, identity: "pod-1" });
    await waitFor("the first leader", () => first.isLeader());
    const shown = await plane.kubectl(["get", "lease", "worktide", "-n", space.name, "-o", "jsonpath={.spec.holderIdentity}"]);
    assert.equal(shown, first.identity);
    await using other = await clientOf(plane.kubeconfig);
    await using second = contend({ kube: other, ...options, identity: "pod-2" });
    await waitFor("the second one to know", () => second.holder() === first.identity);
    await first[Symbol.asyncDispose]();
    await waitFor("the hand-over", () => second.isLeader());
    assert.equal(second.term(), 1);
    const changes: boolean[] = [];
    second.onChange((leading) => changes.push(leading));
    await kube.remove({ kind: leases, namespace: space.name, name: "worktide" });
    await waitFor("the end (row 80)", () => changes[0] === false);
    await waitFor("the return", () => second.isLeader());
  });

  it("events pass its validation, and repeats become a series", async () => {
    await using space = await namespace(plane);
    const regarding = { apiVersion: "v1", kind: "ConfigMap", namespace: space.name, name: "n".repeat(240), uid: "u" };
    const problems: unknown[] = [];
    await using events = createEvents({
      kube,
      controller: "worktide.dev/controller",
      instance: "pod",
      redact: (text) => text,
      onProblem: (problem) => problems.push(problem),
    });
    const event = { regarding, type: "Warning", reason: "QueueUnreachable", action: "Read", note: "é".repeat(2_000) } as const;
    events.emit(event);
    events.emit(event);
    type Told = KubeObject & Readonly<{ series?: Readonly<{ count: number }>; note: string }>;
    const told = async () => (await kube.list<Told>({ kind: eventKind, namespace: space.name })).items;
    await waitFor("the series", async () => (await told())[0]?.series?.count === 2);
    assert.deepEqual([(await told()).length, problems, events.dropped()], [1, [], 0]);
  });

  it("status is read back as it was written, and does not raise the generation", async () => {
    await using things = await defineThings();
    await using space = await namespace(plane);
    type Thing = KubeObject & Readonly<{ status?: object }>;
    const made = await kube.create<Thing>(things.kind, { metadata: { name: "a", namespace: space.name } });
    const shown = new Map<string, ObservedStatus>();
    using writer = createStatusWriter({ kube, kind: things.kind, observed: (key) => shown.get(key), everyMs: 50 });
    await using list = watchList(kube, { kind: things.kind, namespaces: [space.name] }, ({ metadata, status }: Thing) => ({
      resourceVersion: metadata.resourceVersion,
      fingerprint: writer.fingerprint(status),
    }));
    list.onChange((key, now) => now && shown.set(key, now));
    await list.synced;
    const of = { namespace: space.name, name: "a", uid: made.metadata.uid };
    const status = { replicas: 3, conditions: [{ type: "Ready", status: "True" }], note: "ü" };
    writer.write(of, { replicas: 1, gone: true });
    writer.write(of, status);
    const isShown = () => shown.get(`${space.name}/a`)?.fingerprint === writer.fingerprint(status);
    await waitFor("the status", () => isShown() && writer.pending() === 0);
    const after = await kube.get<Thing>({ kind: things.kind, namespace: space.name, name: "a" });
    assert.deepEqual([after.status, after.metadata.generation], [status, 1]);
    writer.write(of, { note: "ü", conditions: [{ status: "True", type: "Ready" }], replicas: 3 });
    assert.equal(writer.pending(), 0);
    await kube.remove({ kind: things.kind, namespace: space.name, name: "a" });
    await kube.create(things.kind, { metadata: { name: "a", namespace: space.name } });
    writer.write(of, { replicas: 99 });
    await waitFor("the refusal (row 33)", () => writer.pending() === 0);
    const anew = await kube.get<Thing>({ kind: things.kind, namespace: space.name, name: "a" });
    assert.equal(anew.status, undefined);
  });

  it("a kind that is removed and made again is followed again, and its objects are not forgotten before (row 61)", async () => {
    await using space = await namespace(plane);
    let things = await defineThings();
    await kube.create(things.kind, { metadata: { name: "a", namespace: space.name } });
    await using list = watchList(kube, { kind: things.kind }, ({ metadata }) => metadata.uid);
    await list.synced;
    assert.equal(list.size, 1);
    await things[Symbol.asyncDispose]();
    await waitFor("the problem", () => list.problem() !== undefined || list.size === 0);
    things = await defineThings(things.kind);
    await kube.create(things.kind, { metadata: { name: "b", namespace: space.name } });
    await waitFor("the new object", () => list.get(`${space.name}/b`) !== undefined);
    await things[Symbol.asyncDispose]();
  });

  /** A kind with a status, made for one test. */
  async function defineThings(as?: Kind): Promise<{ kind: Kind } & AsyncDisposable> {
    const group = as?.apiVersion.split("/")[0] ?? `t${randomBytes(4).toString("hex")}.worktide.test`;
    const kind: Kind = { apiVersion: `${group}/v1`, kind: "Thing", plural: "things", namespaced: true };
    const crds: Kind = {
      apiVersion: "apiextensions.k8s.io/v1",
      kind: "CustomResourceDefinition",
      plural: "customresourcedefinitions",
      namespaced: false,
    };
    const schema = { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } };
    const versions = [{ name: "v1", served: true, storage: true, schema, subresources: { status: {} } }];
    const names = { kind: "Thing", plural: "things", singular: "thing" };
    const ref = { kind: crds, name: `things.${group}` };
    await kube.create(crds, { metadata: { name: ref.name }, spec: { group, names, scope: "Namespaced", versions } });
    await waitFor("the kind to be served", () =>
      kube.list({ kind }).then(
        () => true,
        () => false,
      ),
    );
    return {
      kind,
      async [Symbol.asyncDispose]() {
        await kube.remove(ref);
        const isGone = () =>
          kube.get(ref).then(
            () => false,
            () => true,
          );
        await waitFor("it to be gone", isGone, definitionS * 1000);
      },
    };
  }
});
