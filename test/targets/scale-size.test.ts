import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { conflictEnds, inConflict, noticed, untouched, wrote } from "../../src/targets/foreign.ts";
import { type ScaleObject, slimWorkload } from "../../src/targets/scale-object.ts";
import { createSizeKeeper, type ScaleMemory } from "../../src/targets/scale-size.ts";
import type { TargetNotice } from "../../src/targets/target.ts";

const byKubectl = { manager: "kubectl", declares: false };
const byManifest = { manager: "argocd", declares: true };

function keeper(remembered?: ScaleMemory) {
  const notices: TargetNotice[] = [];
  const time = { now: 1000 };
  const kept = { memory: remembered, observes: false };
  const memory = () => kept.memory;
  const sizes = createSizeKeeper({
    title: "Deployment mails",
    clock: () => time.now,
    memory,
    notice: (one) => notices.push(one),
    observes: () => kept.observes,
  });
  const see = (replicas: number, resourceVersion: number, changes: Partial<ScaleObject> = {}) => {
    const object = { uid: "u1", generation: 1, leaving: false, rolling: false, ...changes };
    return sizes.see({ ...object, replicas, resourceVersion: String(resourceVersion) }).replicas;
  };
  return { sizes, see, notices, time, kept };
}

describe("the size in force", () => {
  test("is our own write until the watch has shown it (I14)", () => {
    const { sizes, see, notices } = keeper();
    assert.equal(see(3, 10), 3);
    sizes.begins(7);
    assert.deepEqual(sizes.took({ replicas: 3, resourceVersion: "10" }, { written: { replicas: 7, resourceVersion: "12" } }), {
      size: 7,
    });
    assert.equal(see(3, 10), 7);
    assert.equal(see(3, 11), 7, "an older state of the object comes late");
    assert.equal(see(7, 12), 7);
    assert.equal(see(7, 99), 7);
    assert.deepEqual(notices, []);
  });

  test("is others' to set while we only observe: a zero of theirs pauses nothing once we scale", () => {
    const { sizes, see, notices, kept } = keeper();
    kept.observes = true;
    for (const [at, replicas] of [3, 5, 2, 0].entries()) see(replicas, 10 + at);
    kept.observes = false;
    see(0, 14);
    assert.deepEqual([sizes.foreign(), notices], [{ ...untouched, replicas: 0 }, []]);
    assert.deepEqual(sizes.memory(), { uid: "u1", replicas: 0, original: 3 });
    see(4, 15);
    see(0, 16);
    assert.equal(sizes.foreign().zeroBy, "somebody");
  });

  test("is somebody else's when that came after ours, and that is told once", () => {
    const { sizes, see, notices } = keeper();
    see(3, 10);
    sizes.took({ replicas: 3, resourceVersion: "10" }, { written: { replicas: 7, resourceVersion: "12" } });
    assert.equal(see(2, 13, { setBy: byKubectl }), 2);
    see(2, 14, { setBy: byKubectl });
    assert.deepEqual(notices, [{ reason: "ScaledByOther", message: "kubectl scaled Deployment mails from 7 to 2" }]);
  });

  test("is ours when the watch shows what we have written before the answer does", () => {
    const { sizes, see, notices } = keeper();
    see(3, 10);
    sizes.begins(7);
    assert.equal(see(7, 12), 7);
    sizes.took({ replicas: 3, resourceVersion: "10" }, { written: { replicas: 7, resourceVersion: "12" } });
    assert.deepEqual(notices, []);
    assert.equal(sizes.inDoubt(), false);
  });

  test("of another object under the same name begins anew (row 33)", () => {
    const { sizes, see, notices, time } = keeper();
    see(9, 10);
    sizes.took({ replicas: 9, resourceVersion: "10" }, { written: { replicas: 12, resourceVersion: "900" } });
    time.now = 5000;
    assert.equal(see(1, 20, { uid: "u2" }), 1);
    assert.equal(sizes.changedAt(), 5000);
    assert.deepEqual(
      notices.map(({ reason }) => reason),
      ["TargetReplaced"],
    );
  });

  test("which the store tells, when it is not what was decided on, is decided on anew", () => {
    const { sizes, see } = keeper();
    see(3, 10);
    assert.equal(sizes.adopt({ replicas: 5, resourceVersion: "15" }, 3).size, 3, "nothing was changed by us");
    assert.equal(see(3, 10), 5);
  });

  test("that was written with a lost answer is ours once the store tells it", () => {
    const { sizes, see, notices } = keeper();
    see(3, 10);
    sizes.begins(7);
    assert.equal(sizes.inDoubt(), true);
    assert.deepEqual(sizes.adopt({ replicas: 7, resourceVersion: "12" }, 3), { size: 7 });
    see(7, 12);
    assert.deepEqual(notices, []);
  });
});

describe("zero", () => {
  test("by ourselves is no wish of anybody", () => {
    const { sizes, see } = keeper();
    see(3, 10);
    sizes.took({ replicas: 3, resourceVersion: "10" }, { written: { replicas: 0, resourceVersion: "12" } });
    see(0, 12);
    assert.equal(sizes.foreign().zeroBy, undefined);
  });

  test("by somebody else is, until it is raised", () => {
    const { sizes, see } = keeper();
    see(3, 10);
    see(0, 11);
    assert.equal(sizes.foreign().zeroBy, "somebody", "the API server does not note who, through /scale");
    see(2, 12, { setBy: byKubectl });
    assert.equal(sizes.foreign().zeroBy, undefined);
  });

  test("that stands in a manifest is not", () => {
    const { sizes, see } = keeper();
    see(3, 10);
    see(0, 11, { setBy: byManifest });
    assert.equal(sizes.foreign().zeroBy, undefined);
  });

  test("that a target begins with is not", () => {
    const { sizes, see } = keeper();
    see(0, 10);
    assert.equal(sizes.foreign().zeroBy, undefined);
  });

  test("that was set while nobody looked is found by what was remembered", () => {
    const away = keeper({ replicas: 3 });
    away.see(0, 10);
    assert.equal(away.sizes.foreign().zeroBy, "somebody");
    const ours = keeper({ replicas: 0 });
    ours.see(0, 10);
    assert.equal(ours.sizes.foreign().zeroBy, undefined);
    const held = keeper({ replicas: 0, zeroBy: "kubectl" });
    held.see(0, 10);
    assert.equal(held.sizes.foreign().zeroBy, "kubectl");
    held.see(1, 11);
    assert.equal(held.sizes.foreign().zeroBy, undefined);
  });

  test("of another object than the one that is remembered is nobody's wish, and a size of its own", () => {
    const { sizes, see, notices } = keeper({ uid: "u0", replicas: 5, zeroBy: "kubectl", original: 1 });
    assert.equal(see(0, 10), 0);
    assert.deepEqual(sizes.memory(), { uid: "u1", replicas: 0, original: 0 });
    assert.deepEqual(notices, []);
  });
});

test("the size that an object was first seen with is remembered, whoever saw it first", () => {
  const { sizes, see, kept } = keeper();
  assert.equal(sizes.memory(), undefined);
  see(2, 10);
  see(7, 11);
  assert.deepEqual(sizes.memory(), { uid: "u1", replicas: 7, original: 2 });
  kept.memory = { uid: "u1", replicas: 7, original: 1 };
  assert.equal(sizes.memory()?.original, 1, "another process knew it before");
  see(3, 12, { uid: "u2" });
  assert.equal(sizes.memory()?.original, 3);
});

test("a zero of the process that leads is no wish of anybody for one that stands by (I30)", () => {
  const { sizes, see, kept } = keeper({ replicas: 3 });
  see(3, 10);
  see(0, 11);
  assert.equal(sizes.foreign().zeroBy, "somebody", "as long as nothing else is known");
  kept.memory = { replicas: 0 };
  see(0, 11);
  assert.equal(sizes.foreign().zeroBy, undefined);
  kept.memory = { replicas: 3 };
  see(3, 12);
  see(0, 13);
  kept.memory = { replicas: 0, zeroBy: "somebody" };
  see(0, 13);
  assert.equal(sizes.foreign().zeroBy, "somebody");
});

test("three of our changes turned back within 10 minutes are a conflict, which ends by itself (row 14, I16)", () => {
  let foreign = noticed(untouched, 2, undefined, 0);
  for (let n = 1; n <= 3; n++) {
    foreign = wrote(foreign, 2, 8);
    assert.equal(inConflict(foreign, n * 1000), false);
    foreign = noticed(foreign, 2, byManifest, n * 1000);
  }
  assert.equal(inConflict(foreign, 3000), true);
  assert.equal(foreign.by, "argocd");
  assert.equal(inConflict(foreign, conflictEnds(foreign) - 1), true);
  assert.equal(inConflict(foreign, conflictEnds(foreign)), false);
  let going = noticed(untouched, 2, undefined, 0);
  for (let n = 1; n <= 9; n++) going = noticed(wrote(going, n, n + 2), n + 3, byKubectl, n * 1000);
  assert.equal(inConflict(going, 9000), false, "somebody who goes the same way is none");
});

test("who set the size is told apart from who declared the whole object", () => {
  const of = (...entries: readonly object[]) =>
    slimWorkload({
      metadata: { name: "mails", uid: "u", resourceVersion: "1", managedFields: entries },
      spec: { replicas: 3, selector: { matchLabels: { app: "mails" } } },
    }).setBy;
  const fields = (...names: readonly string[]) => ({
    fieldsV1: { "f:spec": Object.fromEntries(names.map((name) => [name, {}])) },
  });
  assert.deepEqual(of({ manager: "kubectl", subresource: "scale", ...fields("f:replicas") }), byKubectl);
  const applied = { manager: "argocd", ...fields("f:replicas", "f:template", "f:selector") };
  assert.deepEqual(of({ manager: "x", ...fields("f:strategy") }, applied), byManifest);
  assert.equal(of({ manager: "x", ...fields("f:template") }), undefined);
});
