import assert from "node:assert/strict";
import { test } from "node:test";
import { check, describe, invariants } from "../support/checker/check.ts";
import { changeLines, goodHistory, plan } from "../support/checker/example.ts";
import type { Line, LineOf, Plan } from "../support/checker/lines.ts";

/** One small history that breaks one invariant and no other. */
type Mutation = Readonly<{
  breaks: string;
  /** What went wrong, as a sentence after "is caught when". */
  when: string;
  lines: (good: Line[]) => Line[];
  plan?: Plan;
}>;

/** Replaces the lines of one kind that fit. */
const edit = <Kind extends Line["kind"]>(
  lines: Line[],
  kind: Kind,
  fits: (line: LineOf<Kind>) => boolean,
  change: (line: LineOf<Kind>) => Line[],
): Line[] =>
  lines.flatMap((line) => {
    const one = line as LineOf<Kind>;
    return line.kind === kind && fits(one) ? change(one) : [line];
  });

const reads = (lines: Line[], trigger: string, from: number, to: number, change: (read: LineOf<"read">) => Line[]) =>
  edit(lines, "read", (read) => read.trigger === trigger && read.sentAt >= from && read.sentAt < to, change);

const reading = (read: LineOf<"read">, fields: object): LineOf<"read"> => {
  assert.ok("reading" in read.result);
  return { ...read, result: { reading: { ...read.result.reading, ...fields } } };
};

const problem = (read: LineOf<"read">): LineOf<"read"> => ({
  ...read,
  result: { problem: { kind: "timeout", message: "no answer within 2 s" } },
});

const writeOf = (worker: string, t: number) => (write: LineOf<"write">) => write.worker === worker && write.sentAt === t + 1;
const decideOf = (worker: string, t: number) => (decide: LineOf<"decide">) => decide.worker === worker && decide.t === t;

/** Rules of one worker, changed; further generations after it. */
const withRules = (worker: string, ...changes: Partial<Plan["workers"][string]["rules"][number]>[]): Plan => {
  const expected = plan.workers[worker];
  const rules = expected?.rules[0];
  assert.ok(expected !== undefined && rules !== undefined);
  return {
    ...plan,
    workers: {
      ...plan.workers,
      [worker]: { ...expected, rules: changes.map((change, index) => ({ ...rules, ...change, generation: index + 1 })) },
    },
  };
};

/** calls grows or shrinks by one, its processes with it. */
const callsTurn = (good: Line[], t: number, from: number, to: number): Line[] => {
  const cited = good.filter((line) => line.kind === "read");
  const wants = to > from ? { wants: to } : {};
  const id = "calls-2-aab1";
  const member = { t: t + 2, at: "", run: 1, kind: "member", worker: "calls", id, pid: 77 } as const;
  return [
    ...changeLines({ t, worker: "calls", from, to, rule: "demand", reason: "WorkWaiting", ...wants }, cited),
    ...(to > from
      ? [{ ...member, event: "started" } as const]
      : [{ ...member, event: "signalled" } as const, { ...member, t: t + 80, event: "exited" } as const]),
  ];
};

const callsHas = (lines: Line[], from: number, to: number) =>
  edit(
    lines,
    "obs",
    (obs) => obs.worker === "calls" && obs.t > from && obs.t < to,
    (obs) => [{ ...obs, alive: [...obs.alive, "calls-2-aab1"] }],
  );

const mutations: readonly Mutation[] = [
  {
    breaks: "I1",
    when: "a pool is lowered on a trigger whose newest read failed",
    lines: (good) => reads(good, "mails", 8500, 8520, (read) => [problem(read)]),
  },
  {
    breaks: "I1",
    when: "a pool is lowered on a reading that does not show the jobs in hand",
    lines: (good) =>
      reads(good, "mails", 8500, 8520, (read) => [
        { ...read, result: { reading: { waiting: 0, epoch: "run-a", sampledAt: read.sentAt } } },
      ]),
  },
  {
    breaks: "I2",
    when: "a pool goes to zero although the queue was last seen not empty 3 s before",
    lines: (good) => reads(good, "mails", 12_000, 15_500, (read) => [reading(read, { dueSoon: 1 })]),
  },
  {
    breaks: "I2",
    when: "a pool goes to zero on zeros of two different epochs",
    lines: (good) => reads(good, "mails", 14_000, 50_000, (read) => [reading(read, { epoch: "run-b" })]),
  },
  {
    breaks: "I2",
    when: "a pool is lowered right after its data fell together with a change of epoch",
    lines: (good) => reads(good, "mails", 6000, 50_000, (read) => [reading(read, { epoch: "run-b" })]),
  },
  {
    breaks: "I3",
    when: "a pool is lowered below the number of workers with a job in hand",
    lines: (good) =>
      edit(
        good,
        "job.end",
        (end) => end.job === "job-1" || end.job === "job-2",
        (end) => [{ ...end, t: 9000 }],
      )
        // They were told to stop before this write, by a signal of an earlier one, so that none is taken by it.
        .concat({ kind: "job.start", t: 7000, job: "job-9", worker: "mails-1-aaaa", pid: 1 })
        .concat({ kind: "job.end", t: 11_000, job: "job-9", worker: "mails-1-aaaa", pid: 1 }),
  },
  {
    breaks: "I4",
    when: "a worker that was told to stop is gone, and its job never ended",
    lines: (good) => [...good, { kind: "job.start", t: 8521, job: "job-7", worker: "mails-2-aaab", pid: 1 }],
  },
  {
    breaks: "I4",
    when: "jobs begin twice in a run that allows for none",
    lines: (good) => [
      ...good,
      { kind: "job.start", t: 7000, job: "job-3", worker: "mails-3-aaac", pid: 1 },
      { kind: "job.end", t: 7100, job: "job-3", worker: "mails-3-aaac", pid: 1 },
    ],
    plan: { ...plan, constants: { duplicates: "fail" } },
  },
  {
    breaks: "I8",
    when: "a pool stays at one long after its queue is empty",
    lines: (good) => {
      const kept = good.filter((line) => {
        if (line.kind === "decide" || line.kind === "write") return line.worker !== "mails" || line.t < 18_000;
        return line.kind !== "member" || line.id !== "mails-1-aaaa" || line.event === "started";
      });
      return edit(
        kept,
        "obs",
        (obs) => obs.worker === "mails" && obs.t >= 18_500,
        (obs) => [{ ...obs, alive: ["mails-1-aaaa"], leaving: [] }],
      );
    },
  },
  {
    breaks: "I9",
    when: "a pool grows and shrinks again while its queue stands still",
    lines: (good) => callsHas([...good, ...callsTurn(good, 25_020, 1, 2), ...callsTurn(good, 30_020, 2, 1)], 25_022, 30_100),
  },
  {
    breaks: "I10",
    when: "the size that is there is written again",
    lines: (good) => [
      ...good,
      ...changeLines(
        { t: 30_020, worker: "calls", from: 1, to: 1, rule: "demand", reason: "WorkWaiting" },
        good.filter((line) => line.kind === "read"),
      ),
    ],
  },
  {
    breaks: "I11",
    when: "a write cites a decision that does not exist",
    lines: (good) => edit(good, "write", writeOf("mails", 1020), (write) => [{ ...write, decision: "mails#9" }]),
  },
  {
    breaks: "I11",
    when: "a write is for another number than its decision",
    lines: (good) =>
      edit(good, "decide", decideOf("mails", 1020), (decide) => [
        { ...decide, decision: { ...decide.decision, to: 3, steps: decide.decision.steps.map((step) => ({ ...step, to: 3 })) } },
      ]),
  },
  {
    breaks: "I11",
    when: "a decision counts a trigger otherwise than its reading",
    lines: (good) =>
      edit(good, "decide", decideOf("mails", 1020), (decide) => [
        {
          ...decide,
          decision: { ...decide.decision, triggers: decide.decision.triggers.map((view) => ({ ...view, wants: 5 })) },
        },
      ]),
  },
  {
    breaks: "I11",
    when: "a decision does not follow from what it was made from",
    lines: (good) =>
      edit(good, "decide", decideOf("mails", 1020), (decide) => {
        const size = decide.decision.from;
        const pool = { uid: decide.uid, wanted: size, existing: size, ready: size, leaving: 0, changedAt: 0 };
        const observations = [{ reading: { waiting: 900, running: 0, sampledAt: decide.t }, sentAt: decide.t }];
        return [{ ...decide, inputs: { pool, observations, memory: {}, now: decide.t } }];
      }),
  },
  {
    breaks: "I11",
    when: "the steps of a decision do not lead from one to the next",
    lines: (good) =>
      edit(good, "decide", decideOf("mails", 1020), (decide) => [
        {
          ...decide,
          decision: { ...decide.decision, steps: decide.decision.steps.flatMap((step) => [{ ...step, to: 7 }, step]) },
        },
      ]),
  },
  {
    breaks: "I12",
    when: "a pool grows beyond its maximum",
    lines: (good) => good,
    plan: withRules("mails", { replicas: { min: 0, max: 3, idle: 0 } }),
  },
  {
    breaks: "I12",
    when: "a pool shrinks faster than its policy allows",
    lines: (good) => good,
    plan: withRules("mails", {
      behavior: {
        scaleUp: { stabilizationWindowSeconds: 0, selectPolicy: "Max", policies: [], tolerance: 0 },
        scaleDown: {
          stabilizationWindowSeconds: 2,
          selectPolicy: "Max",
          tolerance: 0,
          policies: [{ type: "Pods", value: 1, periodSeconds: 5 }],
        },
      },
    }),
  },
  {
    breaks: "I13",
    when: "a decision rests on an answer that came after the deadline",
    lines: (good) => {
      const shifted = good.filter((line) => line.kind !== "read" || line.trigger !== "mails" || line.sentAt >= 1010);
      return reads(shifted, "mails", 1010, 1011, (read) => [{ ...read, sentAt: -1500 }]);
    },
  },
  {
    breaks: "I13",
    when: "a decision rests on an answer that came across a stall of the event loop",
    lines: (good) => [
      ...reads(good, "mails", 8010, 8011, () => []).flatMap((line) =>
        line.kind === "read" && line.trigger === "mails" && line.sentAt === 8510 ? [{ ...line, sentAt: 7900 }] : [line],
      ),
      { kind: "fault.begin", t: 7910, fault: "stall", process: "stall" },
      { kind: "fault.end", t: 8505, fault: "stall", process: "stall" },
    ],
  },
  {
    breaks: "I15",
    when: "a write rests on a decision about a pool that is no longer there",
    lines: (good) => {
      const other = good.filter((line) => line.kind === "decide").find(decideOf("mails", 8520));
      assert.ok(other !== undefined);
      const kept = { ...other.decision, to: 4, steps: [] };
      return [...good, { ...other, id: "mails#new", t: 8520.5, uid: "uid-new", decision: kept }];
    },
  },
  {
    breaks: "I17",
    when: "a paused pool is lowered",
    lines: (good) => [...good, { t: 7000, at: "", run: 1, worker: "mails", kind: "spec", generation: 2, detail: "paused" }],
    plan: withRules("mails", {}, { pause: { directions: "Both", reason: "a drill" } }),
  },
  {
    breaks: "I18",
    when: "triggers of a healthy connection are read half as often while another is down",
    lines: (good) => reads(good, "night", 10_000, 16_000, (read) => (read.sentAt % 1000 === 10 ? [read] : [])),
  },
  {
    breaks: "I19",
    when: "a secret stands in an error message",
    lines: (good) => [
      ...good,
      { kind: "output", t: 20_000, source: "stderr", text: "dialling redis://worktide:c4n4ry%2Fsecret@host" },
    ],
  },
  {
    breaks: "I20",
    when: "a trigger is asked again before it has answered",
    lines: (good) => reads(good, "night", 20_000, 20_500, (read) => [{ ...read, receivedAt: read.receivedAt + 700 }]),
  },
  {
    breaks: "I20",
    when: "connections to one address pile up",
    lines: (good) => [...good, { kind: "clients", t: 21_000, connection: "main", count: 9 }],
  },
  {
    breaks: "I21",
    when: "a dead address is dialled over and over",
    lines: (good) => [
      ...good,
      ...Array.from({ length: 12 }, (_, index): Line => ({ kind: "dial", t: 11_000 + index * 300, connection: "other" })),
    ],
  },
  {
    breaks: "I22",
    when: "a trigger is forgotten",
    lines: (good) => reads(good, "night", 30_000, 50_000, () => []),
  },
  {
    breaks: "I22",
    when: "worktide ends by itself",
    lines: (good) =>
      edit(
        good,
        "proc",
        (proc) => proc.event === "exit",
        (proc) => [{ ...proc, expected: false, detail: "code 1" }],
      ),
  },
  {
    breaks: "I23",
    when: "the status calls a trigger known that has been failing for seconds",
    lines: (good) =>
      edit(
        good,
        "status",
        (status) => status.trigger === "big",
        (status) => [{ ...status, known: true }],
      ),
  },
  {
    breaks: "I25",
    when: "an answer belongs to another question",
    lines: (good) => reads(good, "calls", 30_000, 31_000, (read) => [reading(read, { waiting: 36 })]),
  },
  {
    breaks: "I27",
    when: "work waits for nine seconds and no worker comes",
    lines: (good) =>
      edit(
        reads(good, "night", 20_000, 30_000, (read) => [reading(read, { waiting: 3 })]),
        "truth",
        (truth) => truth.trigger === "night" && truth.t >= 20_000 && truth.t < 30_000,
        (truth) => [{ ...truth, waiting: 3 }],
      ),
  },
  {
    breaks: "I28",
    when: "a trigger that is not known makes a pool grow without a fallback",
    lines: (good) => good,
    plan: (() => {
      const { fallback: _, ...rules } = plan.workers["thumbs"]?.rules[0] ?? assert.fail();
      return { ...plan, workers: { ...plan.workers, thumbs: { rules: [rules], connections: { big: "other", small: "main" } } } };
    })(),
  },
  {
    breaks: "I28",
    when: "a fallback comes before its failures",
    lines: (good) => good,
    plan: withRules("thumbs", { fallback: { afterFailures: 9, replicas: 2 } }),
  },
  {
    breaks: "I29",
    when: "a process lives on that nobody asked for",
    lines: (good) =>
      edit(
        good,
        "obs",
        (obs) => obs.worker === "thumbs" && obs.t > 25_000 && obs.t < 35_000,
        (obs) => [{ ...obs, alive: [...obs.alive, "thumbs-3-aab2"] }],
      ),
  },
  {
    breaks: "I29",
    when: "workers outlive a worktide that was killed and did not come back",
    lines: (good) => [
      ...edit(
        good,
        "proc",
        (proc) => proc.event === "exit",
        (proc) => [{ ...proc, t: 36_000 }],
      ).filter((line) => !(line.t > 36_000 && (line.kind === "read" || line.kind === "status"))),
      { kind: "fault.begin", t: 35_999, fault: "kill -9", process: "kill" },
    ],
  },
  {
    breaks: "I29",
    when: "a signal goes to another process than was started",
    lines: (good) =>
      edit(
        good,
        "member",
        (member) => member.id === "mails-1-aaaa" && member.event === "signalled",
        (member) => [{ ...member, pid: 1 }],
      ),
  },
];

test("a history in which everything goes well passes all invariants", () => {
  assert.equal(describe(check(goodHistory(), plan)), "");
});

for (const { breaks, when, lines, plan: other } of mutations) {
  test(`${breaks}, and no other, is caught when ${when}`, () => {
    const violations = check(lines(goodHistory()), other ?? plan);
    assert.deepEqual([...new Set(violations.map(({ invariant }) => invariant))], [breaks], describe(violations));
  });
}

test("every invariant has a history that breaks it", () => {
  const broken = new Set(mutations.map(({ breaks }) => breaks));
  assert.deepEqual(
    Object.keys(invariants).filter((name) => !broken.has(name)),
    [],
  );
});
