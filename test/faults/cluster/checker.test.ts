import assert from "node:assert/strict";
import { test } from "node:test";
import { check, clusterInvariants, describe } from "../../support/checker/check.ts";
import { goodHistory, plan as local } from "../../support/checker/example.ts";
import { historyOf } from "../../support/checker/history.ts";
import type { ApiLine, Line, LineOf, Plan } from "../../support/checker/lines.ts";

/** The good history of a cluster: what the local one has, and the API server's record of it. */

const plan: Plan = { ...local, cluster: { leaseMs: 5_000, users: { 1: "first", 2: "second" } } };
const versionAt = (t: number) => String(1_000_000 + Math.round(t * 10));
const at = (t: number) => ({ kind: "api", t: t + 0.2, receivedAt: t, code: 200, version: versionAt(t) }) as const;

const lease = (t: number, by: string, holder: string, term: number): ApiLine => ({
  ...at(t),
  ...{ by, verb: "update", what: "lease", name: "worktide", holder, term },
});

const put = (t: number, name: string, replicas: number, by = "first"): ApiLine => ({
  ...at(t),
  ...{ by, verb: "update", what: "scale", name, replicas, before: versionAt(t - 1) },
});

const get = (t: number, name: string): ApiLine => {
  const { version: _, ...rest } = at(t);
  return { ...rest, by: "first", verb: "get", what: "scale", name };
};

const status = (t: number, meaning: string): ApiLine => ({
  ...at(t),
  ...{ by: "first", verb: "patch", what: "status", name: "mails", meaning },
});

function good(): Line[] {
  const lines = goodHistory();
  const end = Math.max(...lines.map(({ t }) => t));
  const leases = Array.from({ length: Math.floor(end / 1500) }, (_, n) => lease(n * 1500, "first", "first_1", 0));
  const writes = lines.filter((line): line is LineOf<"write"> => line.kind === "write");
  const sizes = writes.flatMap(({ worker, sentAt, to }) => [get(sentAt + 0.1, worker), put(sentAt + 0.5, worker, to)]);
  return [...lines, ...leases, ...sizes, lease(end - 0.5, "first", "", 0)];
}

const isScale = (line: Line, name: string, verb: string, t: number): line is ApiLine =>
  line.kind === "api" && line.what === "scale" && line.name === name && line.verb === verb && Math.abs(line.t - t) < 2;

const mutations: readonly Readonly<{ breaks: string; when: string; lines: (good: Line[]) => Line[] }>[] = [
  {
    breaks: "I5",
    when: "two holders share a term",
    lines: (good) => [...good, lease(45_500, "second", "second_1", 0)],
  },
  {
    breaks: "I6",
    when: "a size is written on a Lease that was not renewed for its length",
    lines: (good) => good.filter((line) => !(line.kind === "api" && line.what === "lease" && line.t > 13_000 && line.t < 18_600)),
  },
  {
    breaks: "I7",
    when: "a size is written whatever its version",
    lines: (good) =>
      good.map((line) => {
        if (!isScale(line, "mails", "update", 1022)) return line;
        const { before: _, ...rest } = line;
        return rest;
      }),
  },
  {
    breaks: "I7",
    when: "a size is written again after an answer that said nothing, and nobody looked",
    lines: (good) => [...good.filter((line) => !isScale(line, "mails", "get", 1021)), { ...put(1021.1, "mails", 4), code: 504 }],
  },
  {
    breaks: "I10",
    when: "a status is written twice",
    lines: (good) => [...good, status(35_000, "Ready"), status(36_000, "Ready")],
  },
  {
    breaks: "I11",
    when: "a controller tells of a size that the API server never took",
    lines: (good) => good.filter((line) => !isScale(line, "mails", "update", 1022)),
  },
  {
    breaks: "I11",
    when: "a size is written of which no controller tells",
    lines: (good) => [...good, put(30_000, "night", 3)],
  },
  {
    breaks: "I14",
    when: "a decision begins from what was there before the own write",
    lines: (good) => {
      const decide = good.find(
        (line): line is LineOf<"decide"> => line.kind === "decide" && line.worker === "mails" && line.t < 2_000,
      );
      assert.ok(decide);
      const stays = { ...decide.decision, from: 4, to: 4, steps: [] };
      return [...good, { ...decide, t: 1100, id: "mails#old" }, { ...decide, t: 1150, id: "mails#new", decision: stays }];
    },
  },
  {
    breaks: "I26",
    when: "a smaller size is written without a look at the store",
    lines: (good) => good.filter((line) => !isScale(line, "mails", "get", 8521)),
  },
  {
    breaks: "I30",
    when: "nobody takes over for long after the Lease was given away",
    lines: (good) => [
      ...good.filter((line) => line.kind !== "proc" || line.event !== "exit"),
      { kind: "proc", t: 6, run: 2, event: "ready", expected: true, detail: "" },
      lease(52_000, "second", "second_1", 1),
    ],
  },
];

test("a good history of a cluster passes all invariants", () => {
  assert.equal(describe(check(good(), plan)), "");
});

for (const { breaks, when, lines } of mutations) {
  test(`${breaks}, and no other, is caught when ${when}`, () => {
    const violations = check(lines(good()), plan);
    assert.deepEqual([...new Set(violations.map(({ invariant }) => invariant))], [breaks], describe(violations));
  });
}

test("I16 is caught when a size is lowered that somebody has turned back three times", () => {
  const turns = [1, 2, 3].flatMap((n) => [put(n * 100, "mails", 5), put(n * 100 + 50, "mails", 9, "somebody")]);
  const lines = [put(10, "mails", 9, "somebody"), ...turns];
  const judge = (all: readonly Line[]) => clusterInvariants["I16"]?.(historyOf(all, plan)).length;
  assert.equal(judge([...lines, put(400, "mails", 5)]), 1);
  assert.equal(judge([...lines, put(400, "mails", 12)]), 0, "a raise is none");
  assert.equal(judge([...lines.slice(0, -1), put(400, "mails", 5)]), 0, "twice is not three times");
});

test("I14 bears with a size that the API server gave up on, and the store took all the same", () => {
  const stale = mutations.find(({ breaks }) => breaks === "I14")?.lines(good()) ?? [];
  const done = stale.find((line) => line.kind === "write" && line.worker === "mails");
  assert.ok(done?.kind === "write");
  const failed: Line = { ...done, t: 1095, sentAt: 1090, endedAt: 1095, to: done.from, outcome: "failed" };
  const judge = (all: readonly Line[]) => clusterInvariants["I14"]?.(historyOf(all, plan)).length;
  assert.equal(judge(stale), 1);
  assert.equal(judge([...stale, failed, { ...put(1092, "mails", 0), code: 504 }]), 0);
  assert.equal(judge([...stale, failed, { ...put(1092, "mails", 0), code: 403 }]), 1, "a refusal is none");
});

test("every invariant of a cluster has a history that breaks it", () => {
  const broken = new Set([...mutations.map(({ breaks }) => breaks), "I16"]);
  assert.deepEqual(
    Object.keys(clusterInvariants).filter((name) => !broken.has(name)),
    [],
  );
});
