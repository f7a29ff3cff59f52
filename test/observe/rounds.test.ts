import assert from "node:assert/strict";
import { test } from "node:test";
import { BrokerError } from "../../src/core/contract.ts";
import { fakeHouse, fakeScaler } from "./support.ts";

test("triggers added in one turn are dialled for once and read in one batch", async (t) => {
  const { time, fake, scaling, watch } = fakeHouse(t);
  scaling.depths.set("q7", 7);
  const all = Array.from({ length: 100 }, (_, index) => watch(`q${index}`));
  await time.pass(5);
  assert.equal(fake.dials.length, 1);
  assert.equal(scaling.reads.length, 1);
  assert.equal(scaling.reads[0]?.names.length, 100);
  assert.equal(all[7]?.last()?.observation.reading?.waiting, 7);
  assert.equal(all[7]?.last()?.changed, true);
});

test("a trigger added while the connection is up is read at once, and the others are not", async (t) => {
  const { time, scaling, watch } = fakeHouse(t);
  watch("a");
  await time.pass(5);
  watch("b");
  watch("c");
  await time.pass(5);
  assert.deepEqual(scaling.reads.at(-1)?.names, ["b", "c"]);
});

test("each interval has its round, 5 to 15 % before it", async (t) => {
  const { time, scaling, watch } = fakeHouse(t, { random: Math.random });
  watch("a");
  await time.pass(10_500);
  const gaps = scaling.reads.slice(2).map(({ at }, index) => at - (scaling.reads[index + 1]?.at ?? 0));
  assert.ok(gaps.length >= 9 && gaps.length <= 13, `${gaps.length} rounds`);
  for (const gap of gaps) assert.ok(gap >= 845 && gap <= 960, `${gap} ms`);
});

test("all scalers of a connection and interval are asked in the same turn", async (t) => {
  const { time, scaling, watch } = fakeHouse(t);
  const other = fakeScaler("other");
  watch("a");
  watch("b", { scaler: other.scaler });
  await time.pass(3000);
  assert.deepEqual(
    scaling.reads.map(({ at }) => at),
    other.reads.map(({ at }) => at),
  );
});

test("a round that comes while the former is under way is skipped, not queued", async (t) => {
  const { time, scaling, watch } = fakeHouse(t);
  watch("a", { intervalMs: 100 });
  await time.pass(5);
  scaling.state.held = true;
  await time.pass(100);
  const before = scaling.reads.length;
  await time.pass(1000);
  assert.equal(scaling.reads.length, before);
  scaling.state.held = false;
  scaling.letGo();
  await time.pass(100);
  assert.equal(scaling.reads.length, before + 1);
});

test("nothing that decisions use is different: the listener is told, without a change", async (t) => {
  const { time, scaling, watch } = fakeHouse(t);
  const a = watch("a");
  await time.pass(2100);
  assert.deepEqual(
    a.seen.map(({ changed }) => changed),
    [true, false, false],
  );
  scaling.depths.set("a", 1);
  await time.pass(1000);
  assert.equal(a.last()?.changed, true);
  assert.ok((a.last()?.readId ?? 0) > (a.seen[0]?.readId ?? 0));
});

test("the failure of one query is its own, and does not end the connection", async (t) => {
  const { time, fake, scaling, watch } = fakeHouse(t);
  scaling.depths.set("bad", { problem: { kind: "invalid", message: "wrong type" } });
  const [bad, good] = [watch("bad"), watch("good")];
  await time.pass(2100);
  assert.equal(good.last()?.observation.failure, undefined);
  assert.deepEqual(bad.last()?.observation.failure?.problem, { kind: "invalid", message: "wrong type" });
  assert.equal(bad.last()?.observation.failure?.count, 3);
  assert.equal(fake.dials.length, 1);
});

test("a reading that makes no sense is a failure, and the last good one stays", async (t) => {
  const { time, scaling, watch } = fakeHouse(t);
  scaling.depths.set("a", 4);
  const a = watch("a");
  await time.pass(5);
  for (const waiting of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
    scaling.depths.set("a", waiting);
    await time.pass(1000);
    assert.equal(a.last()?.observation.failure?.problem.kind, "invalid", `${waiting}`);
    assert.equal(a.last()?.observation.reading?.waiting, 4);
  }
});

test("a scaler that throws or loses answers fails its own triggers only", async (t) => {
  const { time, fake, scaling, watch } = fakeHouse(t);
  const broken = fakeScaler("broken");
  broken.state.throws = new TypeError("cannot read redis://me:secret@host/0");
  const [a, b] = [watch("a", { scaler: broken.scaler }), watch("b")];
  const short = watch("c", { scaler: { ...scaling.scaler, type: "short", read: async () => [] } });
  await time.pass(1100);
  assert.deepEqual(a.last()?.observation.failure?.problem, { kind: "internal", message: "cannot read redis://***@host/0" });
  assert.equal(short.last()?.observation.failure?.problem.kind, "internal");
  assert.equal(b.last()?.observation.failure, undefined);
  assert.equal(fake.dials.length, 1);
});

test("a listener that throws harms nobody", async (t) => {
  const { time, observer, scaling, source, watch, faults } = fakeHouse(t);
  observer.watch({ scaler: scaling.scaler, query: { name: "x" }, connection: source(), intervalMs: 1000 }, () => {
    throw new Error("mine");
  });
  const a = watch("a");
  await time.pass(2100);
  assert.equal(a.seen.length, 3);
  assert.match(faults[0] ?? "", /mine/);
});

test("refresh resolves with an answer to a question that was sent after it", async (t) => {
  const { time, scaling, watch } = fakeHouse(t);
  const { watching } = watch("a");
  await time.pass(5);
  scaling.state.held = true;
  await time.pass(1000);
  scaling.depths.set("a", 9);
  const askedAt = Date.now();
  const fresh = watching.refresh();
  scaling.state.held = false;
  scaling.letGo();
  await time.pass(5);
  const observation = await fresh;
  assert.equal(observation.reading?.waiting, 9);
  assert.ok((observation.sentAt ?? 0) >= askedAt);
});

test("refresh before the first dial has ended waits for it; while down it resolves with the failure", async (t) => {
  const { time, fake, watch } = fakeHouse(t);
  fake.state.refuses = { kind: "unreachable", message: "refused" };
  const { watching } = watch("a");
  const first = watching.refresh();
  await time.pass(5);
  assert.equal((await first).failure?.problem.kind, "unreachable");
  const second = watching.refresh();
  await time.pass(5);
  assert.equal((await second).failure?.problem.message, "refused");
});

test("quiet is bounded, and fails as BrokerError", async (t) => {
  const { time, fake, watch, scaling } = fakeHouse(t);
  const { watching } = watch("a");
  await time.pass(5);
  await watching.quiet?.("w", true);
  const mute = watching.quiet?.("mute", true);
  const odd = watching.quiet?.("odd", true);
  const failed = (kind: string) => (error: unknown) => error instanceof BrokerError && error.problem.kind === kind;
  const all = Promise.all([
    assert.rejects(mute ?? Promise.resolve(), failed("timeout")),
    assert.rejects(odd ?? Promise.resolve(), failed("internal")),
  ]);
  await time.pass(5100, 100);
  await all;
  fake.state.refuses = { kind: "unreachable", message: "refused" };
  fake.lose();
  await time.pass(5);
  await assert.rejects(watching.quiet?.("w", true) ?? Promise.resolve(), failed("unreachable"));
  const { quiet: _, ...without } = scaling.scaler;
  assert.equal(watch("b", { scaler: without }).watching.quiet, undefined);
});

test("a stopped trigger is not read, not told of and not waited for", async (t) => {
  const { time, scaling, watch } = fakeHouse(t);
  const [a, b] = [watch("a"), watch("b")];
  await time.pass(5);
  scaling.state.held = true;
  await time.pass(1000);
  const fresh = a.watching.refresh();
  a.watching.stop();
  await fresh;
  scaling.state.held = false;
  scaling.letGo();
  await time.pass(2000);
  assert.equal(a.seen.length, 1);
  assert.ok(b.seen.length > 1);
  assert.deepEqual(scaling.reads.at(-1)?.names, ["b"]);
});

test("what is known of a trigger outlives a reload, and so does the count of its failures", async (t) => {
  const { time, fake, scaling, watch } = fakeHouse(t);
  scaling.depths.set("a", 6);
  const old = watch("a");
  await time.pass(100);
  fake.state.refuses = { kind: "unreachable", message: "refused" };
  fake.lose();
  await time.pass(3500);
  const { count } = old.watching.observation().failure ?? { count: 0 };
  assert.ok(count >= 3);
  const again = watch("a", { intervalMs: 2000 });
  old.watching.stop();
  await time.pass(5);
  assert.equal(again.watching.observation().reading?.waiting, 6);
  assert.ok((again.watching.observation().failure?.count ?? 0) >= count);
  assert.notEqual(again.watching.readId(), null);
  assert.deepEqual(watch("b").watching.observation(), {});
});
