import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type ControlPlane, noControlPlane, startControlPlane } from "../support/control-plane.ts";
import { change, never, openRig, waitFor, waitMs } from "../targets/cluster-rig.ts";

describe("a target of a control plane in trouble", { skip: await noControlPlane() }, () => {
  let plane: ControlPlane;
  before(async () => {
    plane = await startControlPlane();
  });
  after(() => plane?.stop());

  for (const size of [5, 0]) {
    it(`goes from 8 to ${size} without the controllers, who then take nobody else (row 37)`, async () => {
      await using rig = await openRig(plane);
      await rig.create("mails", 8);
      const names = (await rig.runAll(8, (index) => ({ ready: index !== 7 }))).map(({ metadata }) => metadata.name);
      const { target, until, notices } = rig.open("mails");
      await until("8 up", ({ members }) => members?.filter(({ ready }) => ready).length === 8);
      plane.controllerManager.stopProcess();
      try {
        assert.deepEqual(await target.apply(change(8, size, names.slice(0, 8 - size)), never), { size });
      } finally {
        plane.controllerManager.contProcess();
      }
      await rig.settled(size, { ready: Math.max(0, size - 1) });
      assert.deepEqual((await rig.living()).map(({ metadata }) => metadata.name).toSorted(), names.slice(8 - size));
      assert.deepEqual(notices, []);
    });
  }

  it("is not lowered where it is a ReplicaSet that replaces nobody: told of the size first, it would take others (row 37)", async () => {
    await using rig = await openRig(plane);
    await rig.create("mails", 4, "ReplicaSet");
    const names = (await rig.runAll(4, (index) => ({ ready: index > 1 }))).map(({ metadata }) => metadata.name);
    await rig.settled(4, { ready: 2 });
    const { target, until } = rig.open("mails", { kind: "ReplicaSet" });
    await until("4 up", ({ members }) => members?.filter(({ ready }) => ready).length === 4);
    plane.controllerManager.stopProcess();
    try {
      const applied = await target.apply(change(4, 2, names.slice(2)), never);
      assert.deepEqual(applied, { size: 4, note: "2 asked for, and no more could go" });
    } finally {
      plane.controllerManager.contProcess();
    }
    await rig.settled(4);
    const left = (await rig.living()).map(({ metadata }) => metadata.name);
    assert.deepEqual(
      names.filter((name) => left.includes(name)),
      names.slice(0, 2),
    );
    await until("the two that came", ({ existing }) => existing === 4);
    const fresh = left.filter((name) => !names.includes(name));
    assert.equal((await target.apply(change(4, 2, fresh), never)).size, 2);
    await rig.settled(2);
    assert.deepEqual((await rig.living()).map(({ metadata }) => metadata.name).toSorted(), names.slice(0, 2));
  });

  it("stays known while the API server is away, and is written once it is back (row 21, I27)", async () => {
    await using rig = await openRig(plane);
    await rig.create("mails", 1);
    const { target, until, notices } = rig.open("mails");
    await until("the pool", ({ wanted }) => wanted === 1);
    await plane.apiserver.kill9();
    await assert.rejects(target.apply(change(1, 3), never));
    assert.equal(target.pool()?.wanted, 1, "not knowing better is no reason to forget");
    await plane.apiserver.restart();
    const again = async () => {
      try {
        return (await target.apply(change(1, 3), never)).size === 3;
      } catch {
        return false; // as the loop does: again a second later
      }
    };
    await waitFor("the raise", again, waitMs);
    await until("3 wanted", ({ wanted }) => wanted === 3);
    assert.deepEqual(notices, []);
    await until("its pods", ({ existing }) => existing === 3);
  });
});
