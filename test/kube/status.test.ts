import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Kind } from "../../src/kube/kube.ts";
import { createStatusWriter, type ObservedStatus, type StatusOptions } from "../../src/kube/status.ts";
import { waitFor } from "../support/wait.ts";
import { createRig, type Rig } from "./support.ts";

const workers: Kind = { apiVersion: "worktide.dev/v1alpha1", kind: "ScaledWorker", plural: "scaledworkers", namespaced: true };
const place = "/apis/worktide.dev/v1alpha1/namespaces/shop/scaledworkers";

const make = ({ api }: Rig, name: string) => {
  const { metadata } = api.store.create(`${place}/${name}`, { metadata: { name, namespace: "shop" }, spec: {} });
  return { namespace: "shop", name, uid: metadata.uid };
};
const statusIn = ({ api }: Rig, name: string) => api.store.found(`${place}/${name}`)["status"];
const writesIn = ({ api }: Rig) => api.requests.filter(({ method }) => method === "PATCH");

const open = ({ kube }: Rig, options: Partial<StatusOptions> = {}) =>
  createStatusWriter({ kube, kind: workers, observed: () => undefined, everyMs: 200, ...options });

describe("status", () => {
  it("is written to /status without a version, and not again while it says the same (I10)", async () => {
    await using rig = await createRig();
    using writer = open(rig, { meaning: ({ at, ...rest }: { at?: number }) => rest });
    const of = make(rig, "mails");
    writer.write(of, { replicas: 3, conditions: [{ type: "Ready" }], at: 1 });
    await waitFor("the status", () => statusIn(rig, "mails") !== undefined && writer.pending() === 0);
    for (let at = 2; at < 50; at++) writer.write(of, { conditions: [{ type: "Ready" }], replicas: 3, at });
    assert.equal(writer.pending(), 0);
    assert.equal(writesIn(rig).length, 1);
    const [request] = writesIn(rig);
    assert.ok(request);
    assert.ok(request.path.endsWith("/mails/status"));
    assert.equal(request.headers["content-type"], "application/json-patch+json");
    assert.deepEqual((request.body as readonly object[])[0], { op: "test", path: "/metadata/uid", value: of.uid });
  });

  it("is coalesced: of many changes the last one is written", async () => {
    await using rig = await createRig();
    using writer = open(rig);
    const of = make(rig, "mails");
    for (let replicas = 0; replicas <= 500; replicas++) writer.write(of, { replicas });
    await waitFor("the last one", () => JSON.stringify(statusIn(rig, "mails")) === '{"replicas":500}');
    assert.ok(writesIn(rig).length <= 2);
  });

  it("is not written where the watch shows it, and is where somebody changed it", async () => {
    await using rig = await createRig();
    let shown: ObservedStatus | undefined;
    using writer = open(rig, { observed: () => shown });
    const of = make(rig, "mails");
    shown = { resourceVersion: "5", fingerprint: writer.fingerprint({ replicas: 3 }) };
    writer.write(of, { replicas: 3 });
    assert.equal(writer.pending(), 0);
    writer.write(of, { replicas: 4 });
    await waitFor("the change", () => JSON.stringify(statusIn(rig, "mails")) === '{"replicas":4}' && writer.pending() === 0);
    writer.write(of, { replicas: 4 }); // what the watch shows is older than what was written
    assert.equal(writer.pending(), 0);
    assert.deepEqual(writer.wanted(of.uid), { replicas: 4 });
    shown = { resourceVersion: "999999", fingerprint: writer.fingerprint({ replicas: 77 }) };
    writer.write(of, { replicas: 4 });
    await waitFor("its repair", () => writesIn(rig).length === 2 && writer.pending() === 0);
    shown = { resourceVersion: "9999999", fingerprint: writer.fingerprint({ replicas: 4 }) };
    writer.seen(of.uid); // now the watch keeps it
    assert.equal(writer.wanted(of.uid), undefined);
    shown = { resourceVersion: "99999999", fingerprint: writer.fingerprint({ replicas: 78 }) };
    writer.seen(of.uid);
    assert.equal(writer.pending(), 0);
  });

  it("is tried again after a failure, not for ever as it is when the server calls it invalid, never for what is gone", async () => {
    await using rig = await createRig();
    const problems: unknown[] = [];
    using writer = open(rig, { onProblem: (problem) => problems.push(problem) });
    const [of, bad, gone] = [make(rig, "mails"), make(rig, "bad"), make(rig, "gone")];
    rig.api.store.remove(`${place}/gone`);
    let asked = 0;
    rig.api.set(({ path, method }) => {
      if (method !== "PATCH") return undefined;
      if (path.includes("/bad/")) return { status: 422, reason: "Invalid" };
      return path.includes("/mails/") && asked++ < 2 ? { doneThen: 504 } : undefined;
    });
    writer.write(of, { replicas: 1 });
    writer.write(bad, { replicas: -1 });
    writer.write(gone, { replicas: 1 });
    await waitFor("the third try", () => asked === 3);
    assert.equal(writesIn(rig).filter(({ path }) => path.includes("/bad/")).length, 1);
    assert.equal(writesIn(rig).filter(({ path }) => path.includes("/gone/")).length, 1);
    assert.ok(problems.length >= 3 && !problems.some((problem) => String(problem).includes("shop/gone")), "it is no problem");
    writer.write(bad, { replicas: 2 });
    await waitFor("a new one to be tried", () => writesIn(rig).filter(({ path }) => path.includes("/bad/")).length === 2);
  });

  it("of an object that was made anew is not that of the old one (row 33)", async () => {
    await using rig = await createRig();
    using writer = open(rig);
    const old = make(rig, "mails");
    rig.api.store.remove(`${place}/mails`);
    make(rig, "mails");
    writer.write(old, { replicas: 1 });
    await waitFor("the refusal", () => writesIn(rig).length === 1 && writer.pending() === 0);
    assert.equal(statusIn(rig, "mails"), undefined);
  });

  it("of many objects is written by few requests at once, behind everything else", async () => {
    await using rig = await createRig();
    using writer = open(rig);
    const all = Array.from({ length: 60 }, (_, i) => make(rig, `w${i}`));
    let [now, most] = [0, 0];
    rig.api.set(() => {
      now += 1;
      most = Math.max(most, now);
      return { afterMs: 20 };
    });
    rig.api.setAfter(() => {
      now -= 1;
      return undefined;
    });
    for (const of of all) writer.write(of, { replicas: 1 });
    await waitFor("all of them", () => all.every(({ name }) => statusIn(rig, name) !== undefined));
    assert.ok(most <= 8, `${most} at once`);
  });
});
