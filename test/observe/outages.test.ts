import assert from "node:assert/strict";
import { test } from "node:test";
import { backoffMs } from "../../src/observe/backoff.ts";
import { fakeHouse, settle } from "./support.ts";

const refused = { kind: "unreachable", message: "connection refused" } as const;

test("a lost connection makes all its triggers unknown at once, and keeps what was known", async (t) => {
  const { time, fake, scaling, watch, states } = fakeHouse(t);
  scaling.depths.set("a", 5);
  const [a, b, other] = [watch("a"), watch("b", { intervalMs: 60_000 }), watch("c", { key: "other" })];
  await time.pass(500);
  fake.state.refuses = refused;
  const [first] = fake.clients;
  assert.ok(first);
  fake.lose();
  await time.pass(5);
  for (const { seen } of [a, b]) {
    const last = seen.at(-1);
    assert.equal(last?.changed, true);
    assert.equal(last?.observation.failure?.count, 1);
    assert.equal(last?.observation.failure?.problem.kind, "unreachable");
  }
  assert.equal(a.last()?.observation.reading?.waiting, 5);
  assert.equal(other.last()?.observation.failure?.count, 1, "the fake loses every connection");
  assert.deepEqual(
    states.filter(({ name }) => name === "a").map(({ up }) => up),
    [true, false],
  );
});

test("after three failures means about three intervals, whatever the number of dials", async (t) => {
  const { time, fake, watch } = fakeHouse(t);
  fake.state.refuses = refused;
  const a = watch("a", { intervalMs: 2000 });
  await time.pass(6500);
  assert.ok(fake.dials.length > 4, `${fake.dials.length} dials`);
  const count = a.last()?.observation.failure?.count ?? 0;
  assert.ok(count >= 3 && count <= 4, `${count}`);
  assert.equal(a.seen.filter(({ changed }) => changed).length, count);
  assert.ok(a.seen.every(({ observation }) => observation.reading === undefined));
});

test("on recovery every trigger is read at once, those with a long interval too, and wakes are armed anew", async (t) => {
  const { time, fake, scaling, watch } = fakeHouse(t);
  const slow = watch("slow", { intervalMs: 600_000 });
  watch("fast");
  await time.pass(500);
  const armed = scaling.hints.get("slow");
  fake.lose();
  assert.equal(armed?.ended, false);
  await time.pass(5);
  assert.equal(armed?.ended, true);
  scaling.depths.set("slow", 3);
  await time.pass(500);
  assert.equal(slow.last()?.observation.reading?.waiting, 3);
  assert.equal(slow.last()?.observation.failure, undefined);
  assert.equal(slow.last()?.changed, true);
  assert.equal(scaling.hints.get("slow")?.client.number, 1);
  armed?.hint();
  const before = scaling.reads.length;
  await time.pass(10);
  assert.equal(scaling.reads.length, before, "a hint of the former session is void");
});

test("an outage has one beginning, and is told once, and again when its cause is another one", async (t) => {
  const { time, fake, watch, states, observer } = fakeHouse(t);
  const a = watch("a");
  await time.pass(500);
  fake.state.refuses = refused;
  fake.lose();
  const began = Date.now();
  await time.pass(6000);
  fake.state.refuses = { kind: "loading", message: "loading" };
  await time.pass(6000);
  assert.deepEqual(a.last()?.observation.failure?.problem, { kind: "loading", message: "loading" });
  assert.equal(a.last()?.observation.failure?.since, began);
  assert.equal(observer.connections()[0]?.problem?.since, began);
  assert.deepEqual(
    states.map(({ up, problem }) => problem?.kind ?? up),
    [true, "unreachable", "loading"],
  );
});

test("who waits for a fresh reading when the connection is lost gets the failure at once", async (t) => {
  const { time, fake, scaling, watch } = fakeHouse(t);
  const { watching } = watch("a");
  await time.pass(500);
  scaling.state.held = true;
  const under = watching.refresh();
  await time.pass(5);
  const queued = watching.refresh();
  fake.state.refuses = refused;
  fake.lose();
  await time.pass(5);
  const both = await Promise.race([Promise.all([under, queued]), settle().then(() => undefined)]);
  assert.deepEqual(
    both?.map(({ failure }) => failure?.problem.kind),
    ["unreachable", "unreachable"],
  );
});

test("a connection that lasted is dialled anew without delay, however long the outage before it was", async (t) => {
  const { time, fake, watch } = fakeHouse(t, { random: () => 1 });
  fake.state.refuses = refused;
  watch("a");
  await time.pass(30_000, 20);
  fake.state.refuses = undefined;
  await time.pass(15_000, 20);
  const before = fake.dials.length;
  fake.lose();
  await time.pass(205);
  assert.equal(fake.dials.length, before + 1);
});

test("failures count again from one after a recovery", async (t) => {
  const { time, fake, watch } = fakeHouse(t);
  fake.state.refuses = refused;
  const a = watch("a");
  await time.pass(4000);
  assert.ok((a.last()?.observation.failure?.count ?? 0) >= 3);
  fake.state.refuses = undefined;
  await time.pass(6000);
  assert.equal(a.last()?.observation.failure, undefined);
  fake.state.refuses = refused;
  fake.lose();
  await time.pass(5);
  assert.equal(a.last()?.observation.failure?.count, 1);
});

test("a silent broker costs the deadline, once; the connection is given up and the late answer is void", async (t) => {
  const { time, fake, scaling, watch } = fakeHouse(t);
  const a = watch("a");
  const b = watch("b", { intervalMs: 60_000 });
  await time.pass(500);
  scaling.state.held = true;
  fake.state.refuses = refused;
  scaling.depths.set("a", 99);
  await time.pass(2450);
  assert.equal(fake.clients[0]?.destroyed, false);
  await time.pass(100);
  assert.equal(fake.clients[0]?.destroyed, true);
  assert.equal(scaling.signals.at(-1)?.aborted, true);
  for (const { seen } of [a, b]) assert.equal(seen.at(-1)?.observation.failure?.problem.kind, "timeout");
  assert.match(a.last()?.observation.failure?.problem.message ?? "", /no answer within 2 s/);
  scaling.letGo();
  await time.pass(5);
  assert.equal(a.last()?.observation.reading?.waiting, 0);
});

test("a dial that is never answered ends, and a session that comes late is destroyed", async (t) => {
  const { time, fake, watch } = fakeHouse(t);
  fake.state.mute = true;
  const a = watch("a");
  await time.pass(4100);
  assert.equal(a.last()?.observation.failure?.problem.kind, "timeout");
  fake.state.mute = false;
  await time.pass(300);
  assert.equal(fake.live().length, 1);
  for (const arrive of fake.lateSessions) arrive();
  await time.pass(5);
  assert.equal(fake.live().length, 1);
  assert.equal(a.last()?.observation.failure, undefined);
});

test("never two dials at a time to one address", async (t) => {
  const { time, fake, watch } = fakeHouse(t);
  fake.state.mute = true;
  watch("a");
  await time.pass(3900);
  for (let index = 0; index < 10; index++) watch(`b${index}`);
  await time.pass(50);
  assert.equal(fake.dials.length, 1);
});

test("dials in an outage keep to their bound and are never closer than 100 ms, whatever the dice say", () => {
  for (const random of [() => 0, () => 0.5, () => 0.999, Math.random]) {
    let at = 0;
    for (let failures = 1; failures < 200; failures++) {
      const delay = backoffMs({ failures, lastedMs: at, kind: "unreachable" }, random);
      assert.ok(delay >= 100);
      assert.ok(delay <= 5000 || random() === 0, `${delay}`);
      at += delay;
      assert.ok(failures + 1 <= 8 + at / 2500 + 1e-9, `${failures + 1} attempts in ${at} ms`);
    }
  }
  const auth = { failures: 1, lastedMs: 0, kind: "auth" } as const;
  assert.ok(backoffMs(auth, () => 0) >= 30_000);
});

test("a refused credential is not tried again for 30 s, but at once when it changed", async (t) => {
  const { time, fake, watch, secret } = fakeHouse(t);
  fake.state.refuses = { kind: "auth", message: "WRONGPASS" };
  const a = watch("a");
  await time.pass(29_000, 50);
  assert.equal(fake.dials.length, 1);
  secret.value = "two";
  fake.state.refuses = undefined;
  await time.pass(5_100, 50);
  assert.equal(fake.dials.length, 2);
  assert.equal(a.last()?.observation.failure, undefined);
  assert.deepEqual(fake.live()[0]?.settings, { password: "two" });
});

test("a refused credential is tried again when a trigger is added, but not faster than once a second", async (t) => {
  const { time, fake, watch } = fakeHouse(t);
  fake.state.refuses = { kind: "auth", message: "WRONGPASS" };
  watch("a");
  await time.pass(100);
  for (let index = 0; index < 10; index++) watch(`b${index}`);
  await time.pass(500);
  assert.equal(fake.dials.length, 1);
  await time.pass(500);
  assert.equal(fake.dials.length, 2);
});

test("settings that cannot be read are a failure like any other, and heal", async (t) => {
  const { time, secret, watch } = fakeHouse(t);
  secret.value = new Error("no such file");
  const a = watch("a");
  await time.pass(100);
  assert.deepEqual(a.last()?.observation.failure?.problem, { kind: "internal", message: "no such file" });
  secret.value = "one";
  await time.pass(5000);
  assert.equal(a.last()?.observation.failure, undefined);
});

test("a rotated secret is taken on without a gap: dial, swap, close the old", async (t) => {
  const { time, fake, scaling, watch, secret } = fakeHouse(t);
  const a = watch("a");
  await time.pass(100);
  secret.value = "two";
  await time.pass(21_000, 50);
  assert.deepEqual(
    fake.clients.map(({ closed, destroyed }) => ({ closed, destroyed })),
    [
      { closed: true, destroyed: false },
      { closed: false, destroyed: false },
    ],
  );
  assert.ok(a.seen.every(({ observation }) => observation.failure === undefined));
  assert.equal(scaling.hints.get("a")?.client.number, 1);
  assert.equal(scaling.reads.at(-1)?.client.number, 1);
});

test("an answer that was under way on the old connection when it was exchanged is asked for again", async (t) => {
  const { time, scaling, watch, secret, fake } = fakeHouse(t);
  const a = watch("a", { intervalMs: 19_500 });
  await time.pass(100);
  secret.value = "two";
  await time.pass(19_300, 50);
  scaling.state.held = true;
  scaling.depths.set("a", 1);
  await time.pass(1200);
  assert.equal(fake.clients.length, 2, "exchanged while the read was under way");
  scaling.depths.set("a", 2);
  scaling.state.held = false;
  scaling.letGo();
  await time.pass(5);
  assert.deepEqual(
    a.seen.map(({ observation }) => observation.reading?.waiting),
    [0, 2],
  );
  assert.equal(scaling.reads.at(-1)?.client.number, 1);
});

test("a rotated secret that does not work costs nothing: the connection that works is kept", async (t) => {
  const { time, fake, watch, secret, faults } = fakeHouse(t);
  const a = watch("a");
  await time.pass(100);
  secret.value = "two";
  fake.state.refuses = { kind: "auth", message: "WRONGPASS" };
  await time.pass(121_000, 50);
  assert.equal(fake.live().length, 1);
  assert.equal(faults.length, 1, "one line, not one per try");
  assert.ok(a.seen.every(({ observation }) => observation.failure === undefined));
});

test("a dead broker does not slow down a live one", async (t) => {
  const { time, fake, scaling, watch } = fakeHouse(t, { dialDeadlineMs: 500 });
  fake.state.refuses = refused;
  for (let index = 0; index < 300; index++) watch(`dead${index}`, { key: `dead${index}` });
  await time.pass(20_000, 20);
  fake.state.refuses = undefined;
  const before = fake.dials.length;
  const good = watch("good", { key: "good" });
  await time.pass(1100);
  assert.equal(good.last()?.observation.failure, undefined);
  assert.equal(good.last()?.observation.reading?.waiting, 0);
  assert.ok(fake.dials.length - before <= 45, `${fake.dials.length - before} dials in a second and a bit`);
  assert.ok(scaling.reads.length > 0);
});

test("at most 20 dials a second over the process, after a common recovery too", async (t) => {
  const { time, fake, watch } = fakeHouse(t);
  for (let index = 0; index < 200; index++) watch("a", { key: `k${index}` });
  await time.pass(15_000, 20);
  fake.lose();
  await time.pass(15_000, 20);
  assert.equal(fake.live().length, 200);
  for (const [index, at] of fake.dials.entries()) {
    const later = fake.dials[index + 20];
    if (later !== undefined) assert.ok(later - at >= 1000, `21 dials within ${later - at} ms`);
  }
});

test("the last trigger closes the connection; a reload that stops and starts in one turn keeps it", async (t) => {
  const { time, fake, watch, observer } = fakeHouse(t);
  const a = watch("a");
  const b = watch("b");
  await time.pass(100);
  a.watching.stop();
  b.watching.stop();
  const again = watch("a");
  await time.pass(100);
  assert.equal(fake.dials.length, 1);
  assert.equal(fake.live().length, 1);
  again.watching.stop();
  await time.pass(100);
  assert.equal(fake.live().length, 0);
  assert.deepEqual(observer.connections(), []);
});

test("disposing answers whoever waits, closes everything, and does not wait for a session that will not close", async (t) => {
  const { time, fake, watch, observer, scaling } = fakeHouse(t);
  const a = watch("a");
  const mute = watch("b", { key: "mute" });
  await time.pass(100);
  fake.state.closesNever = true;
  scaling.state.held = true;
  const waiting = [a.watching.refresh(), mute.watching.refresh()];
  await time.pass(5);
  const done = observer[Symbol.asyncDispose]();
  await time.pass(2100);
  await done;
  await Promise.all(waiting);
  assert.equal(fake.live().length, 0);
  assert.throws(() => watch("c"), /after the observer has ended/);
});

test("a server that takes us in and throws us out again is dialled ever more rarely", async (t) => {
  const { time, fake, watch } = fakeHouse(t);
  watch("a");
  for (let step = 0; step < 600; step++) {
    await time.pass(100, 20);
    if (fake.live().length > 0) fake.lose(); // 60 s, and no connection lasts
  }
  assert.ok(fake.dials.length <= 8 + 60 / 2.5 + 1, `${fake.dials.length} dials`);
});

test("nothing that a broker or a source does wrong ends the rounds", async (t) => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => unhandled.push(reason);
  process.on("unhandledRejection", note);
  t.after(() => process.off("unhandledRejection", note));
  const { time, fake, scaling, observer, watch, source } = fakeHouse(t);
  const { open } = fake.broker;
  const wrongs: (() => unknown)[] = [
    () => {
      throw new Error("thrown at once");
    },
    () => undefined,
    () => ({ client: {} }),
    () => Promise.reject("not even an error"),
    async () => ({ ...(await open({}, new AbortController().signal)), lost: Promise.reject(new Error("rejects")) }),
  ];
  let turn = 0;
  fake.broker.open = ((settings, signal) => (wrongs[turn++] ?? (() => open(settings, signal)))() as never) as typeof open;
  const circular: Record<string, unknown> = {};
  circular["self"] = circular;
  const odd = observer.watch(
    {
      scaler: scaling.scaler,
      query: { name: "odd" },
      connection: { ...source("odd"), settings: async () => circular },
      intervalMs: 1000,
    },
    () => {},
  );
  const sync = watch("sync", {
    scaler: {
      ...scaling.scaler,
      type: "sync",
      read: () => {
        throw new Error("at once");
      },
    },
  });
  const nothing = watch("nothing", { scaler: { ...scaling.scaler, type: "none", read: (() => undefined) as never } });
  const holes = watch("holes", { scaler: { ...scaling.scaler, type: "holes", read: async () => [null] as never } });
  const a = watch("a");
  await time.pass(20_000);
  assert.ok(turn > wrongs.length);
  assert.equal(a.last()?.observation.failure, undefined);
  assert.equal(a.last()?.observation.reading?.waiting, 0);
  for (const { watching } of [sync, nothing, holes, { watching: odd }]) {
    assert.equal(watching.observation().failure?.problem.kind, "internal");
    assert.ok((watching.observation().failure?.count ?? 0) > 5);
  }
  await time.pass(5);
  assert.deepEqual(unhandled, []);
});
