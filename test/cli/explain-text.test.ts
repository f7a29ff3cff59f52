import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { explainText } from "../../src/cli/explain-text.ts";
import { healthy, statusText } from "../../src/cli/status-text.ts";
import type { WorkerSnapshot } from "../../src/control/worker-snapshot.ts";

const at = (second: number) => new Date(Date.parse("2026-05-01T12:00:00Z") + second * 1000).toISOString();
const now = Date.parse(at(60));

const step = { rule: "demand", from: 2, to: 5, reason: "WorkWaiting", message: "mails wants 5" } as const;
const mails: WorkerSnapshot = {
  generatedAt: at(60),
  namespace: "default",
  name: "mails",
  target: "process node worker.js",
  mode: "Scale",
  generation: 2,
  min: 0,
  max: 20,
  idle: 0,
  concurrency: 4,
  pool: { wanted: 5, existing: 5, ready: 4, leaving: 1 },
  busy: 4,
  decision: {
    from: 2,
    to: 5,
    rule: "demand",
    reason: "WorkWaiting",
    summary: "2 -> 5: mails wants 5",
    triggers: [
      { name: "mails", state: "known", wants: 5, active: true, reading: "430 waiting, 8 running", goal: "start within 30 s" },
    ],
    decides: "mails",
    steps: [step],
    busy: 4,
  },
  decidedAt: at(48),
  triggers: [
    {
      name: "mails",
      type: "bullmq",
      connection: "main",
      goal: "start within 30 s, service time 2.1 s (measured from counters)",
      state: "known",
      active: true,
      waiting: 430,
      running: 8,
      readAt: at(59.2),
    },
  ],
  conditions: [{ type: "Ready", status: "True", reason: "Working", message: "", since: at(0) }],
  lastChange: { at: at(48), from: 2, to: 5, reason: "WorkWaiting" },
  changes: [
    { id: "b", at: at(48), from: 2, to: 5, rule: "demand", reason: "WorkWaiting", summary: "", steps: [step] },
    { id: "a", at: at(10), from: 0, to: 2, rule: "demand", reason: "WorkWaiting", summary: "", steps: [] },
  ],
  whatWouldChange: ["more than 520 waiting: 6", "nothing waiting for 60 s: 0"],
};

const failing: WorkerSnapshot = {
  ...mails,
  namespace: "shop",
  triggers: mails.triggers.map((trigger) => ({
    ...trigger,
    state: "stale",
    problem: { kind: "unreachable", message: "connection refused", since: at(20), count: 9 },
  })),
  conditions: [{ type: "Ready", status: "False", reason: "QueueUnreachable", message: "connection refused", since: at(20) }],
};

describe("the text of explain", () => {
  it("says how old numbers were when they were read, where that is much, and what is amiss with a queue", () => {
    const advice = ["it has no dead letter topic: …"];
    const old = { ...mails, triggers: mails.triggers.map((trigger) => ({ ...trigger, sampledAt: at(-80), advice })) };
    const text = explainText(old, { now, color: false });
    assert.match(text, /430 waiting, 8 running {2}0.8 s, counted 2 min ago/);
    assert.match(text, /ADVICE\n {2}mails: it has no dead letter topic/);
    const young = { ...mails, triggers: mails.triggers.map((trigger) => ({ ...trigger, sampledAt: at(58) })) };
    assert.doesNotMatch(explainText(young, { now, color: false }), /counted|ADVICE/);
  });

  it("answers why, what would change it, what happened, and what to do next", () => {
    const text = explainText(mails, { now, color: false });
    assert.equal(
      text,
      `scaledworker/mails (default)  →  process node worker.js
✔ Ready   5 (+1 leaving) of max 20   decided 12 s ago

WHY 5
  TRIGGER  READING                 AGE    WANTS
  mails    430 waiting, 8 running  0.8 s  5  ◂ decides
  mails: start within 30 s, service time 2.1 s (measured from counters)
  → demand: mails wants 5 (2 → 5)

WHAT WOULD CHANGE IT
  more than 520 waiting: 6
  nothing waiting for 60 s: 0

LAST HOUR
  12:00:48  2 → 5  WorkWaiting
  12:00:10  0 → 2  WorkWaiting

NEXT  worktide history mails`,
    );
  });

  it("has the goal in the table where there is room for it, and is never wider than 100 columns", () => {
    const short = { ...mails, triggers: mails.triggers.map((trigger) => ({ ...trigger, goal: "20 jobs per worker" })) };
    assert.match(explainText(short, { now, color: false }), /0\.8 s {2}20 jobs per worker {2}5 {2}◂ decides/);
    for (const worker of [mails, short, failing]) {
      for (const line of explainText(worker, { now, color: false }).split("\n")) assert.ok(line.length <= 100, line);
    }
  });

  it("shows what is wrong, and the command that looks into it", () => {
    const text = explainText(failing, { now, color: false });
    assert.match(text, /^scaledworker\/mails \(shop\)/);
    assert.match(text, /✖ QueueUnreachable {3}5/);
    assert.match(text, /mails +✖ connection refused/);
    assert.match(text, /PROBLEM\n {2}mails: connection refused \(unreachable\), 9 times in 40 s\n/);
    assert.match(text, /NEXT {2}worktide check --connect$/);
  });

  it("names what to mend where no connection is at fault", () => {
    const nextOf = (change: Partial<WorkerSnapshot>) => {
      const text = explainText({ ...mails, ...change }, { now, color: false });
      for (const line of text.split("\n")) assert.ok(line.length <= 100, line);
      return /NEXT {2}(.*)$/.exec(text)?.[1] ?? "";
    };
    const trouble = { message: "it does not", since: at(20) };
    assert.match(nextOf({ trouble: { reason: "CrashLooping", ...trouble } }), /^read the log of its workers/);
    assert.match(nextOf({ trouble: { reason: "CannotStart", ...trouble } }), /`spec\.target\.process`/);
    const missing = { kind: "missing", message: "no such stream", since: at(20), count: 1 } as const;
    const lost = mails.triggers.map((trigger) => ({ ...trigger, problem: missing }));
    assert.equal(nextOf({ triggers: lost }), "mend trigger mails in the file, or make what it names");
  });

  it("tells a change that was tried again once", () => {
    const [newest, ...older] = mails.changes;
    assert.ok(newest);
    const again = { ...mails, changes: [newest, { ...newest, id: "again", reason: "AtMaximum" as const }, ...older] };
    assert.equal(explainText(again, { now, color: false }), explainText(mails, { now, color: false }));
  });

  it("asks after workers that live and take nothing, once that is not usual any more", () => {
    const since = (second: number) => explainText({ ...mails, untakenSince: at(second) }, { now, color: false });
    assert.match(since(10), /PROBLEM\n {2}workers take no jobs for 50 s: are they connected to the same broker and queue\?/);
    assert.doesNotMatch(since(50), /PROBLEM/);
  });

  it("is the same with colours, but for the colours", () => {
    for (const worker of [mails, failing]) {
      const colored = explainText(worker, { now, color: true });
      assert.ok(colored.includes("\u001b["));
      // biome-ignore lint/suspicious/noControlCharactersInRegex: an escape code is one.
      assert.equal(colored.replaceAll(/\u001b\[\d+m/g, ""), explainText(worker, { now, color: false }));
    }
  });

  it("says so where nothing is decided, read or known yet", () => {
    const { decision: _, decidedAt: __, pool: ___, lastChange: ____, ...rest } = mails;
    const young: WorkerSnapshot = { ...rest, triggers: [], changes: [], whatWouldChange: [], conditions: [] };
    const text = explainText(young, { now, color: false });
    assert.match(text, /… Starting {3}size not known of max 20/);
    assert.match(text, /LAST HOUR\n {2}no change of size/);
    assert.match(statusText([young], now), /<unknown> +<unknown> +20 .*Unknown +Starting +<none>/);
  });
});

describe("the text of status", () => {
  it("has one line for each pool, and says what is wrong with it", () => {
    assert.equal(
      statusText([mails, failing], now),
      `NAME        WORKERS  WANTED  MAX  BUSY  WAITING    READY  REASON            CHANGED
mails       5        5       20   4     430        True   WorkWaiting       12 s
shop/mails  5        5       20   4     <unknown>  False  QueueUnreachable  12 s`,
    );
    const [first] = mails.triggers;
    assert.ok(first);
    const second = { ...first, name: "heartbeats", waiting: 420 };
    const waiting = (...triggers: WorkerSnapshot["triggers"]) =>
      statusText([{ ...mails, triggers }], now).match(/ 4 +(\d+) /)?.[1];
    assert.equal(waiting(first, second), "850", "two queues");
    assert.equal(waiting(first, { ...second, countedBy: "mails" }), "430", "one queue, seen twice");
    assert.equal(statusText([], now), "There are no ScaledWorkers.");
    assert.deepEqual([healthy(mails), healthy(failing)], [true, false]);
  });
});
