import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { createWorkerLoop } from "../../src/control/create-worker-loop.ts";
import type { Member, Rules } from "../../src/core/spec.ts";
import type { Applied } from "../../src/targets/target.ts";
import { free } from "../core/situation.ts";
import { busy, fakeHouse, fakeTarget, fakeTime, fakeWatching, idle, member, rulesOf, trigger } from "./rig.ts";

type Given = Readonly<{
  rules?: Partial<Rules>;
  members?: readonly Member[];
  quiets?: boolean;
  mayAct?: () => boolean;
}>;

function begin(t: TestContext, { rules = {}, members = [], quiets = false, mayAct = () => true }: Given = {}) {
  const time = fakeTime(t);
  const crew = fakeTarget(time, members);
  const source = fakeWatching(time, quiets);
  const told = fakeHouse(time, source.watch, mayAct);
  const loop = createWorkerLoop("default/mails", crew.target, rulesOf(rules), [trigger()], told.house);
  const sizes = () => crew.changes.map(({ from, to }) => `${from}>${to}`);
  const members3 = (...ids: readonly string[]) => ids.map((id) => idle(id));
  return { time, crew, source, loop, sizes, members3, ...told };
}

const protectBusy = { scaleDown: { protect: "busy", cooldownMs: 0 } } as const;
const abc = [member("a"), member("b"), member("c")];

describe("the loop of one worker", () => {
  it("grows to the whole demand in one step", async (t) => {
    const { source, sizes, time } = begin(t);
    source.read({ waiting: 7 });
    await time.settle();
    assert.deepEqual(sizes(), ["0>7"]);
  });

  it("decides on a reading that is the same as before, where that one was too old to decide on", async (t) => {
    const { source, sizes, time } = begin(t, { rules: { staleAfterMs: 5000 } });
    source.read({ waiting: 7 }, true, 10_000);
    await time.settle();
    assert.deepEqual(sizes(), []);
    source.read({ waiting: 7 }, false);
    await time.settle();
    assert.deepEqual(sizes(), ["0>7"]);
  });

  it("has one change under way at most, and decides on what came meanwhile right after it", async (t) => {
    const { source, crew, sizes, time } = begin(t);
    const first = Promise.withResolvers<Applied | undefined>();
    crew.target.how = () => first.promise;
    source.read({ waiting: 2 });
    await time.settle();
    for (const waiting of [3, 4, 5]) source.read({ waiting });
    await time.pass(5000);
    assert.deepEqual(sizes(), ["0>2"]);
    delete crew.target.how;
    first.resolve(undefined);
    await time.settle();
    source.read({ waiting: 5 });
    await time.settle();
    assert.deepEqual(sizes(), ["0>2", "2>5"]);
  });

  it("tries a failed change again after a second, and not before", async (t) => {
    const { source, crew, sizes, failures, history, time } = begin(t);
    crew.target.how = () => Promise.reject(new Error("no room"));
    source.read({ waiting: 2 });
    await time.settle();
    for (let at = 0; at < 900; at += 100) {
      source.read({ waiting: 2 });
      await time.pass(100);
    }
    assert.deepEqual(sizes(), ["0>2"]);
    delete crew.target.how;
    await time.pass(200);
    assert.deepEqual(sizes(), ["0>2", "0>2"]);
    assert.equal(crew.size(), 2);
    assert.deepEqual(failures, ["scaling default/mails from 0 to 2"]);
    const writes = history.filter((line) => line.kind === "write");
    assert.deepEqual(
      writes.map(({ outcome, note }) => [outcome, note]),
      [
        ["failed", "no room"],
        ["ok", undefined],
      ],
    );
  });

  it("does not let a shrink that came to nothing hold up a growth", async (t) => {
    const { source, crew, time } = begin(t, { rules: protectBusy, members: abc });
    source.refreshes.push(() => ({ running: 3, workers: [busy("a"), busy("b"), busy("c")] }));
    source.read({ waiting: 1, workers: [idle("a"), idle("b"), idle("c")] });
    await time.settle();
    assert.equal(crew.size(), 3);
    source.read({ waiting: 2, running: 3, workers: [busy("a"), busy("b"), busy("c")] });
    await time.settle();
    assert.equal(crew.size(), 5);
  });

  it("decides and tells in mode Observe, and changes nothing", async (t) => {
    const { source, sizes, decisions, time } = begin(t, { rules: { mode: "Observe" } });
    source.read({ waiting: 3 });
    await time.pass(3000);
    assert.equal(decisions.at(-1)?.to, 3);
    assert.deepEqual(sizes(), []);
  });

  it("stands by: it decides and tells, changes nothing, and acts at once when it may", async (t) => {
    let leads = false;
    const { source, sizes, loop, decisions, time } = begin(t, { mayAct: () => leads });
    source.read({ waiting: 7 });
    await time.pass(5000);
    assert.deepEqual([sizes(), decisions.at(-1)?.to], [[], 7]);
    leads = true;
    loop.ask();
    await time.settle();
    assert.deepEqual(sizes(), ["0>7"]);
  });

  it("tells its triggers when the pool is at zero, where alone waking may cost something", async (t) => {
    const { source, time } = begin(t);
    source.read({ waiting: 0 });
    await time.settle();
    source.read({ waiting: 2 });
    await time.settle();
    assert.deepEqual(source.rests, [true, false]);
  });

  it("tells no trigger that its pool is at zero while another process leads, or while it only observes", async (t) => {
    let leads = true;
    const { source, loop, time } = begin(t, { mayAct: () => leads });
    source.read({ waiting: 0 });
    await time.settle();
    leads = false;
    loop.ask();
    await time.settle();
    assert.deepEqual(source.rests, [true, false]);
    loop.update(rulesOf({ mode: "Observe" }), [trigger()]);
    leads = true;
    loop.ask();
    await time.settle();
    assert.deepEqual(source.rests, [true, false]);
  });

  it("acts when a deadline comes, with no event at all", async (t) => {
    const behavior = { scaleUp: free, scaleDown: { ...free, stabilizationWindowSeconds: 3 } };
    const { source, sizes, time } = begin(t, { rules: { behavior, replicas: { min: 1, max: 10, idle: 1 } } });
    source.read({ waiting: 4 });
    await time.settle();
    source.read({ waiting: 2 });
    await time.pass(2500);
    assert.deepEqual(sizes(), ["0>4"]);
    await time.pass(1000);
    assert.deepEqual(sizes(), ["0>4", "4>2"]);
  });

  it("tells a decision once, however often it is made", async (t) => {
    const { source, decisions, history, time } = begin(t);
    source.read({ waiting: 2 });
    await time.settle();
    const told = decisions.length;
    for (let n = 0; n < 20; n++) {
      source.read({ waiting: 2 });
      await time.settle();
    }
    assert.ok(decisions.length <= told + 1, `${decisions.length} after ${told}`);
    assert.equal(history.filter(({ kind }) => kind === "write").length, 1);
  });

  it("takes new rules over and keeps what it knows: nothing is read anew while the queues are the same", async (t) => {
    const { source, loop, sizes, time } = begin(t);
    source.read({ waiting: 8 });
    await time.settle();
    loop.update(rulesOf({ generation: 2, replicas: { min: 0, max: 4, idle: 0 } }), [trigger()]);
    await time.settle();
    assert.deepEqual(sizes(), ["0>8", "8>4"]);
    assert.deepEqual([source.watched(), source.stopped()], [1, 0]);
    loop.update(rulesOf({ generation: 3 }), [trigger("other")]);
    assert.deepEqual([source.watched(), source.stopped()], [2, 1]);
  });

  it("lowers nothing while its trigger fails", async (t) => {
    const { source, sizes, time } = begin(t);
    source.read({ waiting: 4 });
    await time.settle();
    source.fail();
    await time.pass(120_000);
    assert.deepEqual(sizes(), ["0>4"]);
  });

  it("stops: what is under way is awaited, and nothing begins any more", async (t) => {
    const { source, crew, loop, sizes, time } = begin(t);
    const change = Promise.withResolvers<Applied | undefined>();
    crew.target.how = () => change.promise;
    source.read({ waiting: 1 });
    await time.settle();
    let stopped = false;
    const done = loop.stop().then(() => {
      stopped = true;
    });
    await time.settle();
    assert.equal(stopped, false);
    change.resolve(undefined);
    await done;
    source.read({ waiting: 9 });
    await time.pass(5000);
    assert.deepEqual(sizes(), ["0>1"]);
    assert.equal(crew.listeners.size, 0);
    assert.equal(source.stopped(), 0, "its triggers are read until its workers are gone");
    loop.release();
    assert.equal(source.stopped(), 1);
  });
});

describe("shrinking within the loop", () => {
  const three = [idle("a"), idle("b"), idle("c")];

  it("is given up when more are wanted after all, and who was quieted works again", async (t) => {
    const { source, crew, time } = begin(t, { rules: protectBusy, members: abc, quiets: true });
    await time.settle();
    source.read({ waiting: 1, workers: three });
    // The second look of the shrink: more has come.
    source.refreshes.push(() => {
      source.read({ waiting: 5, workers: three });
      return { waiting: 5, workers: three };
    });
    await time.settle();
    await time.settle();
    assert.ok(!crew.changes.some(({ to, from }) => to < from), "nobody was taken away");
    assert.equal(crew.size(), 5);
    const quieted = source.told.filter((line) => line.startsWith("quiet")).map((line) => line.slice(6));
    assert.equal(quieted.length, 2);
    for (const id of quieted) assert.ok(source.told.lastIndexOf(`work ${id}`) > source.told.indexOf(`quiet ${id}`));
  });

  it("is tried again after a second where nobody stayed idle, not in a hot loop", async (t) => {
    const { source, crew, time } = begin(t, { rules: protectBusy, members: abc, quiets: true });
    const count = () => source.told.filter((line) => line.startsWith("quiet")).length;
    const allBusy = () => ({ running: 3, workers: [busy("a"), busy("b"), busy("c")] });
    for (let n = 0; n < 50; n++) source.refreshes.push(allBusy);
    for (let n = 0; n < 9; n++) {
      source.read({ waiting: 1, workers: three });
      await time.pass(100);
    }
    assert.equal(count(), 2, "one try in 0.9 s");
    source.read({ waiting: 1, workers: three });
    await time.pass(200);
    assert.equal(count(), 4, "and the next after a second");
    assert.equal(crew.size(), 3);
  });

  it("lets a worker work again that is quiet and stays", async (t) => {
    const { source, time } = begin(t, { rules: protectBusy, members: [member("a")], quiets: true });
    source.read({ running: 1, workers: [idle("a", { busy: 1, quiet: true })] });
    await time.settle();
    assert.ok(source.told.includes("work a"), source.told.join());
  });

  it("quiets and removes by the names that the framework and the target each know", async (t) => {
    const pods = ["a", "b"].map((id) => member(id, { aliases: [`celery@${id}`] }));
    const { source, crew, time } = begin(t, { rules: protectBusy, members: pods, quiets: true });
    const workers = [idle("celery@a"), busy("celery@b")];
    source.refreshes.push(() => ({ running: 1, workers }));
    source.read({ running: 1, workers });
    await time.settle();
    await time.settle();
    assert.ok(source.told.includes("quiet celery@a"), source.told.join());
    assert.deepEqual(crew.changes.at(-1)?.remove, ["a"]);
  });
});
