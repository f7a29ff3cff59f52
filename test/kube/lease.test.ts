import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { Kube } from "../../src/kube/kube.ts";
import type { Leadership, LeaseOptions } from "../../src/kube/leadership.ts";
import { contend } from "../../src/kube/lease.ts";
import { waitFor } from "../support/wait.ts";
import { clientOf, createRig, leases, type Rig } from "./support.ts";

const place = "/apis/coordination.k8s.io/v1/namespaces/shop/leases/worktide";

type Spec = Readonly<{ holderIdentity?: string; leaseTransitions?: number; leaseDurationSeconds?: number; renewTime?: string }>;
const specIn = ({ api }: Rig) => api.store.found(place)["spec"] as Spec;

const start = (kube: Kube, options: Partial<LeaseOptions> = {}): Leadership =>
  contend({ kube, namespace: "shop", name: "worktide", identity: "pod", durationMs: 5_000, ...options });

describe("leadership", () => {
  it("is taken where there is no Lease, renewed, and given away when its holder ends (row 86, I30)", async () => {
    await using rig = await createRig();
    const first = start(rig.kube, { durationMs: 15_000 });
    await waitFor("the first leader", () => first.isLeader());
    assert.deepEqual([specIn(rig).holderIdentity, specIn(rig).leaseDurationSeconds, first.term()], [first.identity, 15, 0]);
    const { labels } = rig.api.store.found(place).metadata;
    assert.equal(labels?.["app.kubernetes.io/managed-by"], "worktide");
    assert.match(specIn(rig).renewTime ?? "", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    await using kube = await clientOf(rig.api.kubeconfig);
    await using second = start(kube, { durationMs: 15_000 });
    await waitFor("the second one to know of the first", () => second.holder() === first.identity);
    await waitFor("its watch", () => rig.api.watches() === 2);
    assert.equal(second.isLeader(), false);
    const began = performance.now();
    await first[Symbol.asyncDispose]();
    assert.equal(first.isLeader(), false);
    await waitFor("the hand-over", () => second.isLeader());
    assert.ok(performance.now() - began < 10_000, "long before the 15 s of the Lease are over");
    assert.equal(second.term(), 1);
  });

  it("waits for writes that are on their way before it is given away", async () => {
    await using rig = await createRig();
    let settled = false;
    const settle = async () => {
      await pause(200);
      settled = specIn(rig).holderIdentity !== "";
    };
    const leader = start(rig.kube, { settle });
    await waitFor("the leader", () => leader.isLeader());
    await leader[Symbol.asyncDispose]();
    assert.deepEqual([settled, specIn(rig).holderIdentity], [true, ""]);
  });

  it("passes on when its holder is silent for the time of its own record, not of ours (row 87)", async () => {
    await using rig = await createRig();
    rig.api.store.create(place, {
      metadata: { name: "worktide", namespace: "shop" },
      spec: { holderIdentity: "dead", leaseDurationSeconds: 2, leaseTransitions: 7, renewTime: "2099-01-01T00:00:00.000000Z" },
    });
    const began = performance.now();
    await using leader = start(rig.kube, { durationMs: 30_000 });
    await waitFor("the take-over", () => leader.isLeader(), 25_000);
    assert.ok(performance.now() - began >= 2_000, "observed for its whole length, whatever its wall clock says (row 64)");
    assert.equal(leader.term(), 8);
  });

  it("ends at once when the Lease names another one, or is deleted (row 80)", async () => {
    await using rig = await createRig();
    await using leader = start(rig.kube, { durationMs: 15_000 });
    const changes: boolean[] = [];
    leader.onChange((leading) => changes.push(leading));
    await waitFor("the leader", () => leader.isLeader());
    await waitFor("its watch", () => rig.api.watches() === 1);
    rig.api.store.merge(place, { spec: { holderIdentity: "somebody", leaseDurationSeconds: 1 } });
    await waitFor("the end", () => changes.includes(false));
    await waitFor("to be back", () => leader.isLeader());
    assert.equal(leader.term(), 1);
    rig.api.store.remove(place);
    await waitFor("the second end", () => changes.filter((leading) => !leading).length === 2);
    await waitFor("to be back again", () => leader.isLeader());
    assert.equal(leader.term(), 2, "terms never begin anew");
  });

  it("is never shared, also under one name (row 36)", async () => {
    await using rig = await createRig();
    await using kube = await clientOf(rig.api.kubeconfig);
    await using one = start(rig.kube);
    await using two = start(kube);
    await waitFor("a leader", () => one.isLeader() || two.isLeader());
    for (let look = 0; look < 100; look++) {
      assert.ok(!(one.isLeader() && two.isLeader()), "two leaders");
      await pause(20);
    }
  });
});

describe("a leader that cannot renew", () => {
  it("stops in time, keeps the process, and is back with a new term (row 24)", async () => {
    await using rig = await createRig();
    await using leader = start(rig.kube);
    const changes: boolean[] = [];
    leader.onChange((leading) => changes.push(leading));
    await waitFor("the leader", () => leader.isLeader());
    const term = leader.term() ?? 0;
    rig.api.set(({ path }) => (path.endsWith("/leases/worktide") ? { afterMs: Number.POSITIVE_INFINITY } : undefined));
    await waitFor("the end", () => changes.includes(false));
    assert.deepEqual([leader.isLeader(), leader.fence(), leader.term()], [false, 0, undefined]);
    rig.api.set(() => undefined);
    await waitFor("to be back", () => leader.isLeader());
    assert.ok((leader.term() ?? 0) > term, "a term that was lost never comes back");
  });

  it("counts from the moment of sending, and leaves the last write time to end (rows 11, 35, I6)", async () => {
    await using rig = await createRig();
    let now = 0;
    await using leader = start(rig.kube, { durationMs: 15_000, clock: () => now });
    rig.api.set(({ method }) => {
      if (method !== "GET") now += 3_000; // so long is the answer on its way
      return undefined;
    });
    await waitFor("the leader", () => leader.isLeader());
    assert.equal(leader.fence(), 15_000 - 2_000 - 3_000);
    rig.api.set(({ path }) => (path.endsWith("/leases/worktide") ? { status: 503 } : undefined)); // it stays as it is now
    now += 9_999;
    assert.equal(leader.isLeader(), true);
    now += 1; // as after SIGSTOP and SIGCONT: no timer has run
    assert.deepEqual([leader.isLeader(), leader.fence()], [false, 0]);
    await assert.rejects(rig.kube.create(leases, { metadata: { name: "x", namespace: "shop" } }, { fence: leader.fence }), {
      reason: "NotLeader",
    });
  });

  it("knows its own renewal again when the answer was lost (row 21)", async () => {
    await using rig = await createRig();
    const changes: boolean[] = [];
    await using leader = start(rig.kube, { durationMs: 15_000 });
    await waitFor("the leader", () => leader.isLeader());
    leader.onChange((leading) => changes.push(leading));
    let lost = 0;
    rig.api.set(({ method }) => (method === "PUT" && lost++ < 2 ? { doneThen: 504 } : undefined));
    const before = specIn(rig).renewTime;
    await waitFor("three renewals", () => lost > 2);
    assert.notEqual(specIn(rig).renewTime, before);
    assert.deepEqual([changes, leader.isLeader(), leader.term()], [[], true, 0]);
    assert.equal(specIn(rig).holderIdentity, leader.identity);
  });

  it("does not take its late answer for leadership when another one took over meanwhile (row 34)", async () => {
    await using rig = await createRig();
    await using leader = start(rig.kube, { durationMs: 6_000 });
    await waitFor("the leader", () => leader.isLeader());
    await waitFor("its watch", () => rig.api.watches() === 1);
    let taken = false;
    rig.api.setAfter(({ method }) => {
      if (method !== "PUT" || taken) return undefined;
      taken = true; // the renewal is done; before its answer comes, another one is written
      rig.api.store.merge(place, { spec: { holderIdentity: "other", leaseDurationSeconds: 60 } });
      return pause(300);
    });
    await waitFor("the other one", () => taken);
    await waitFor("the end", () => !leader.isLeader());
    await pause(1_000);
    assert.deepEqual([leader.isLeader(), leader.holder()], [false, "other"]);
  });
});
