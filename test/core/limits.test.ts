import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Observation } from "../../src/core/contract.ts";
import { decide } from "../../src/core/decide.ts";
import { whatWouldChange } from "../../src/core/explain.ts";
import { failed, noon, pool, rules, seen, situation, trigger } from "./situation.ts";

const both = rules({ triggers: [trigger(), trigger({ name: "night", goal: { kind: "wants" } })] });
const until = "06:00 Europe/Berlin, then no limit";
const asks = (reading: { wants?: number; atMost?: number }): Observation => ({
  reading: { wants: 0, until, sampledAt: noon, ...reading },
  sentAt: noon,
});

describe("a schedule beside a queue", () => {
  const sizeOf = (waiting: number, reading: { wants?: number; atMost?: number }, wanted = 0) =>
    decide(situation({ rules: both, pool: pool(wanted), observations: [seen({ waiting }), asks(reading)] })).decision;

  test("is a floor under what the queue asks for", () => {
    assert.equal(sizeOf(0, { wants: 3 }).to, 3);
    assert.equal(sizeOf(0, { wants: 3 }).reason, "Schedule");
    assert.equal(sizeOf(500, { wants: 3 }).to, 10);
    assert.equal(sizeOf(500, { wants: 3 }).reason, "WorkWaiting");
  });

  test("is a ceiling above it, and says so", () => {
    const decision = sizeOf(500, { atMost: 2 });
    assert.equal(decision.to, 2);
    assert.match(
      decision.summary,
      /10 are asked for, 2 is the maximum \(night allows 2 at most until 06:00 Europe\/Berlin, then no limit\)/,
    );
    assert.equal(sizeOf(500, { atMost: 2 }, 8).to, 2);
  });

  test("closes the pool although jobs wait, at once", () => {
    const cool = rules({ ...both, scaleDown: { protect: "busy", cooldownMs: 600_000 }, replicas: { min: 2, max: 10, idle: 1 } });
    const observations = [seen({ waiting: 500 }), asks({ atMost: 0 })];
    assert.equal(decide(situation({ rules: cool, pool: pool(5), observations })).decision.to, 0);
  });

  test("keeps jobs in hand, whatever it allows", () => {
    const observations = [seen({ waiting: 0, running: 4 }), asks({ atMost: 1 })];
    assert.equal(decide(situation({ rules: both, pool: pool(5), observations })).decision.to, 4);
  });

  test("lowers nothing while the queue is not known, and raises no further than it allows", () => {
    const blind = (wanted: number) =>
      decide(situation({ rules: both, pool: pool(wanted), observations: [failed(seen({ waiting: 500 })), asks({ atMost: 2 })] }));
    assert.equal(blind(5).decision.to, 5);
    assert.equal(blind(0).decision.to, 2);
  });

  test("of which nothing was heard for long allows what is declared", () => {
    const old: Observation = { ...asks({ atMost: 2 }), sentAt: noon - 61_000 };
    const observations = [seen({ waiting: 500 }), old];
    assert.equal(decide(situation({ rules: both, pool: pool(3), observations })).decision.to, 10);
  });

  test("tells what changes it, and when", () => {
    const at = situation({ rules: both, observations: [seen({ waiting: 500 }), asks({ atMost: 2 })] });
    const lines = whatWouldChange(at, decide(at).decision);
    assert.ok(lines.includes(`night holds until ${until}`), lines.join("\n"));
    assert.ok(lines.includes("nothing above 2: it is the maximum"), lines.join("\n"));
  });
});
