import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeHouse } from "./support.ts";

/** A house whose interval polls stay out of the way. */
const slow = { intervalMs: 600_000 };

test("the first hint is followed at once, and tells when it came", async (t) => {
  const { time, scaling, watch } = fakeHouse(t);
  const a = watch("a", slow);
  await time.pass(100);
  scaling.depths.set("a", 1);
  const hintedAt = Date.now();
  scaling.hint("a");
  await time.pass(0);
  assert.equal(a.last()?.observation.reading?.waiting, 1);
  assert.equal(a.last()?.wokenAt, hintedAt);
  assert.equal(a.last()?.sentAt, hintedAt);
});

test("hints of one turn are read in one batch, and nothing else is read", async (t) => {
  const { time, scaling, watch } = fakeHouse(t);
  for (const name of ["a", "b", "c"]) watch(name, slow);
  await time.pass(100);
  scaling.hint("c");
  scaling.hint("a");
  scaling.hint("c");
  await time.pass(0);
  assert.deepEqual(scaling.reads.at(-1)?.names, ["c", "a"]);
  assert.equal(scaling.reads.length, 2);
});

test("a hint within the window leads to one more read, at its end", async (t) => {
  const { time, scaling, watch } = fakeHouse(t);
  watch("a", slow);
  await time.pass(100);
  const begun = Date.now();
  for (let ms = 0; ms < 20; ms++) {
    scaling.hint("a");
    await time.pass(0);
    await time.pass(1, 1);
  }
  await time.pass(200, 1);
  assert.deepEqual(
    scaling.reads.slice(1).map(({ at }) => at - begun),
    [0, 50],
  );
});

test("under steady change a trigger is read once per window", async (t) => {
  const { time, scaling, watch } = fakeHouse(t);
  watch("a", slow);
  await time.pass(100);
  const before = scaling.reads.length;
  for (let ms = 0; ms < 1000; ms++) {
    scaling.hint("a");
    await time.pass(1, 1);
  }
  const reads = scaling.reads.length - before;
  assert.ok(reads >= 18 && reads <= 21, `${reads}`);
});

test("a hint that comes while a read is under way leads to another one after it", async (t) => {
  const { time, scaling, watch } = fakeHouse(t);
  const a = watch("a", slow);
  await time.pass(100);
  scaling.state.held = true;
  scaling.hint("a");
  await time.pass(0);
  scaling.depths.set("a", 8);
  scaling.hint("a");
  const second = Date.now();
  await time.pass(100);
  assert.equal(scaling.reads.length, 2, "never two at a time");
  scaling.state.held = false;
  scaling.letGo();
  await time.pass(1, 1);
  assert.equal(a.last()?.observation.reading?.waiting, 8);
  assert.equal(a.last()?.wokenAt, second);
});

test("a poll that is sent after a hint serves it", async (t) => {
  const { time, scaling, watch } = fakeHouse(t);
  const a = watch("a");
  await time.pass(975);
  scaling.hint("a");
  await time.pass(0);
  scaling.hint("a");
  await time.pass(500);
  assert.deepEqual(
    scaling.reads.map(({ at }) => at - (scaling.reads[0]?.at ?? 0)),
    [0, 975, 1000],
  );
  assert.notEqual(a.last()?.wokenAt, undefined);
});

test("without hints the interval goes on: a lost push costs one interval", async (t) => {
  const { time, scaling, watch } = fakeHouse(t);
  const a = watch("a");
  await time.pass(100);
  scaling.depths.set("a", 5);
  await time.pass(1100);
  assert.equal(a.last()?.observation.reading?.waiting, 5);
  assert.equal(a.last()?.wokenAt, undefined);
});

test("a trigger is armed once per session, before the read that arms its keys, and that ends with it", async (t) => {
  const { time, scaling, watch } = fakeHouse(t);
  const order: string[] = [];
  const { scaler } = scaling;
  const a = watch("a", {
    scaler: {
      ...scaler,
      wake: (_client, { name }) => {
        order.push(`wake ${name}`);
        return { [Symbol.dispose]: () => void order.push(`end ${name}`) };
      },
      read: (...given) => {
        order.push("read");
        return scaler.read(...given);
      },
    },
  });
  await time.pass(1100);
  a.watching.stop();
  assert.deepEqual(order, ["wake a", "read", "read", "end a"]);
});

test("a wake-up that cannot be armed leaves the polling as it is", async (t) => {
  const { time, scaling, watch, faults } = fakeHouse(t);
  const a = watch("a", {
    scaler: {
      ...scaling.scaler,
      wake: () => {
        throw new Error("no pushes here");
      },
    },
  });
  await time.pass(1100);
  assert.equal(a.seen.length, 2);
  assert.match(faults.join(), /no pushes here/);
});

test("a reading that overlaps a stall of this process is void, read again, and no failure", async (t) => {
  const { time, fake, scaling, watch } = fakeHouse(t);
  const a = watch("a");
  await time.pass(500);
  scaling.state.held = true;
  scaling.depths.set("a", 3);
  await time.pass(600);
  const told = a.seen.length;
  await time.stall(5000);
  assert.equal(fake.live().length, 1, "our own standstill is not the broker's");
  scaling.depths.set("a", 4);
  scaling.state.held = false;
  scaling.letGo();
  await time.pass(1);
  assert.equal(a.last()?.observation.reading?.waiting, 4);
  assert.equal(a.last()?.observation.failure, undefined);
  assert.equal(a.seen.length, told + 1);
});

test("a process that always stands still while it measures says so, and does not measure for ever in vain", async (t) => {
  const { time, scaling, watch } = fakeHouse(t);
  const a = watch("a", slow);
  await time.pass(100);
  scaling.state.held = true;
  const before = scaling.reads.length;
  const asked = a.watching.refresh();
  for (let tries = 0; tries < 3; tries++) {
    await time.pass(1, 1);
    await time.stall(800);
    scaling.letGo();
    await time.pass(1, 1);
  }
  assert.deepEqual((await asked).failure?.problem.kind, "internal");
  await time.pass(1000);
  assert.equal(scaling.reads.length - before, 3);
});

test("thousands of triggers that change all the time are read with pauses, and none is forgotten", async (t) => {
  const { time, scaling, watch } = fakeHouse(t);
  const all = Array.from({ length: 2000 }, (_, index) => watch(`q${index}`, slow));
  await time.pass(100);
  scaling.hint("q0");
  await time.pass(5); // the fastest answer
  const readOnce = scaling.reads.length;
  scaling.state.held = true;
  for (let turn = 0; turn < 200; turn++) {
    for (let index = 0; index < all.length; index++) scaling.hint(`q${index}`);
    await time.pass(5);
    if (turn % 20 === 19) scaling.letGo(); // each batch takes 100 ms
  }
  const batches = scaling.reads.slice(readOnce).filter(({ names }) => names.length > 100);
  assert.ok(batches.length >= 2 && batches.length <= 5, `${batches.length} batches in a second`);
  scaling.depths.set("q1999", 3);
  scaling.state.held = false;
  scaling.letGo();
  await time.pass(1000);
  assert.equal(all[1999]?.last()?.observation.reading?.waiting, 3);
});

test("what costs is listened to only while the pool is at zero", async (t) => {
  const { time, scaling, watch } = fakeHouse(t);
  const scaler = { ...scaling.scaler, wakesFromZero: true as const };
  const a = watch("a", { ...slow, scaler });
  await time.pass(100);
  assert.equal(scaling.hints.has("a"), false, "a pool that has workers needs no waking");
  a.watching.rest(true);
  await time.pass(0);
  assert.equal(scaling.hints.get("a")?.ended, false);
  const reads = scaling.reads.length;
  a.watching.rest(true);
  await time.pass(0);
  assert.equal(scaling.reads.length, reads, "nothing new");
  scaling.hint("a");
  await time.pass(0);
  assert.equal(scaling.reads.length, reads + 1);
  a.watching.rest(false);
  assert.equal(scaling.hints.get("a")?.ended, true);
  scaling.hint("a");
  const read = a.watching.refresh();
  await time.pass(0);
  await read;
  assert.equal(scaling.hints.get("a")?.ended, true, "a read arms nothing while the pool has workers");
});

test("what costs is listened to again on another connection", async (t) => {
  const { time, fake, scaling, watch } = fakeHouse(t);
  const a = watch("a", { ...slow, scaler: { ...scaling.scaler, wakesFromZero: true as const } });
  a.watching.rest(true);
  await time.pass(100);
  const before = scaling.hints.get("a");
  fake.lose();
  await time.pass(10_000, 50);
  assert.equal(before?.ended, true);
  assert.notEqual(scaling.hints.get("a"), before);
  assert.equal(scaling.hints.get("a")?.ended, false);
});
