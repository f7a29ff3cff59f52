import assert from "node:assert/strict";
import { test } from "node:test";
import type { Observation, Reading, Worker } from "../../src/core/contract.ts";
import { decide } from "../../src/core/decide.ts";
import type { Member } from "../../src/core/spec.ts";
import { noon, pool, rules, seen, situation } from "./situation.ts";

const long = noon - 300_000;
const member = (id: string, changes: Partial<Member> = {}): Member => ({
  id,
  ready: true,
  leaving: false,
  startedAt: long,
  ...changes,
});
const worker = (id: string, busy: number): Worker => ({ id, busy, seenAt: noon });
const abc = [member("a"), member("b"), member("c")];

/** A database that names who is busy and not who is idle; one job waits, so that no zero has to be proven. */
const told = (workers: readonly Worker[], changes: Partial<Reading> = {}, at = noon): Observation =>
  seen({ waiting: 1, running: workers.reduce((sum, { busy }) => sum + busy, 0), workers, othersIdle: true, ...changes }, at);

function decided(observation: Observation, members: readonly Member[] = abc, named = true) {
  const target = pool(members.length, { members });
  const memory = { uid: "p1", ...(named ? { named: true as const } : {}) };
  return decide(situation({ rules: rules({}), pool: target, observations: [observation], memory })).decision;
}

test("a source that names the busy and knows all of them proves the others idle", () => {
  assert.deepEqual(decided(told([worker("b", 2)])).removable, ["a", "c"]);
  assert.equal(decided(told([worker("b", 2)])).to, 1);
  assert.deepEqual(decided(told([])).removable, ["a", "b", "c"]);
});

test("one that does not know all of them proves nothing", () => {
  assert.deepEqual(decided(told([worker("b", 2)], { othersIdle: false })).removable, []);
  assert.deepEqual(decided(told([worker("b", 2)], { running: 3 })).removable, [], "a job runs that nobody is said to hold");
});

test("names that never fitted a member prove nobody idle: whoever holds the job may be called otherwise", () => {
  const strange = told([worker("x", 2)]);
  const fresh = abc.map(({ id }) => member(id, { startedAt: noon - 5000 }));
  assert.deepEqual(decided(strange, fresh, false).removable, []);
  assert.equal(decided(strange, fresh, false).to, 3);
  assert.deepEqual(
    decided(strange, fresh, true).removable,
    ["a", "b", "c"],
    "another pool's, once ours are known by their names",
  );
});

test("silence from before a worker began, or before the pool changed, proves nothing of it", () => {
  const [a, b] = [member("a"), member("b", { startedAt: noon - 1000 })];
  assert.deepEqual(decided(told([], {}, noon - 2000), [a, b]).removable, ["a"]);
  const target = pool(2, { members: [a, b], changedAt: noon - 1500 });
  const situated = situation({
    rules: rules({}),
    pool: target,
    observations: [told([], {}, noon - 2000)],
    memory: { uid: "p1", named: true },
  });
  assert.deepEqual(decide(situated).decision.removable, []);
});
