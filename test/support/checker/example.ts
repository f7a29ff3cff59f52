import type { Decision, Reason, RuleName } from "../../../src/core/decision.ts";
import type { Goal, Rules } from "../../../src/core/spec.ts";
import type { Line, LineOf, OwnLine, Plan } from "./lines.ts";

/** A small history in which everything goes well, of which tests break one thing at a time. Times are ms from its begin. */

const direction = { stabilizationWindowSeconds: 0, selectPolicy: "Max", policies: [], tolerance: 0 } as const;

/** Rules with defaults for all that a case does not name. */
export function rulesOf(triggers: Readonly<Record<string, Goal>>, change: Partial<Rules> = {}): Rules {
  return {
    generation: 1,
    replicas: { min: 0, max: 10, idle: 0 },
    triggers: Object.entries(triggers).map(([name, goal]) => ({ name, goal, activation: 0, intervalMs: 500 })),
    concurrency: 1,
    scaleDown: { protect: "busy", cooldownMs: 2000 },
    behavior: { scaleUp: direction, scaleDown: { ...direction, stabilizationWindowSeconds: 2 } },
    staleAfterMs: 60_000,
    mode: "Scale",
    ...change,
  };
}

const perReplica = (jobs: number): Goal => ({ kind: "waitingPerReplica", jobs });
const one = { min: 1, max: 10, idle: 1 };

/**
 * mails goes 0 → 4 → 1 → 0; thumbs falls back to 2 while its connection `other` is down; calls stays at 1 with jobs that
 * nobody finishes; night stays empty.
 */
export const plan: Plan = {
  workers: {
    mails: { rules: [rulesOf({ mails: perReplica(10) })], connections: { mails: "main" } },
    thumbs: {
      rules: [
        rulesOf({ big: perReplica(4), small: perReplica(4) }, { replicas: one, fallback: { afterFailures: 3, replicas: 2 } }),
      ],
      connections: { big: "other", small: "main" },
    },
    calls: { rules: [rulesOf({ calls: { kind: "startWithin", ms: 5000 } }, { replicas: one })], connections: { calls: "main" } },
    night: { rules: [rulesOf({ night: perReplica(10) })], connections: { night: "main" } },
  },
  canaries: ["c4n4ry/secret"],
};

/** What each queue holds at `t`: waiting, running. */
const truths: Readonly<Record<string, (t: number) => readonly [number, number]>> = {
  mails: (t) => {
    if (t < 1000 || t >= 12_000) return [0, 0];
    if (t < 1400) return [40, 0];
    return t < 6000 ? [36, 4] : [0, 1];
  },
  big: () => [0, 0],
  small: () => [0, 0],
  calls: () => [5, 0],
  night: () => [0, 0],
};

const outage = { from: 10_000, to: 16_000 };
const end = 45_000;
const stamp = (t: number) => ({ t, at: new Date(t).toISOString(), run: 1 });

/** A change of size, decided and written at `t`; the reads that it cites are filled in from those before it. */
type Change = Readonly<{ t: number; worker: string; from: number; to: number; rule: RuleName; reason: Reason; wants?: number }>;

const changes: readonly Change[] = [
  { t: 1020, worker: "mails", from: 0, to: 4, rule: "demand", reason: "WorkWaiting", wants: 4 },
  { t: 8520, worker: "mails", from: 4, to: 1, rule: "busy", reason: "WorkersBusy", wants: 0 },
  { t: 11_020, worker: "thumbs", from: 1, to: 2, rule: "unknown", reason: "Fallback" },
  { t: 18_520, worker: "thumbs", from: 2, to: 1, rule: "clamp", reason: "AtMinimum" },
  { t: 18_540, worker: "mails", from: 1, to: 0, rule: "cooldown", reason: "Empty", wants: 0 },
];

/** The lines of one change, as the loop writes them. */
export function changeLines(change: Change, reads: readonly LineOf<"read">[]): OwnLine[] {
  const { t, worker, from, to, rule, reason } = change;
  const triggers = Object.keys(plan.workers[worker]?.connections ?? {});
  const cited = triggers.map((name) => reads.findLast((read) => read.trigger === name && read.receivedAt <= t)?.id ?? null);
  const decision: Decision = {
    from,
    to,
    rule,
    reason,
    summary: `${worker} ${from} → ${to}`,
    triggers: triggers.map((name) => ({
      name,
      state: "known",
      active: to > 0,
      reading: "",
      goal: "",
      ...(change.wants === undefined ? {} : { wants: change.wants }),
    })),
    steps: [{ rule, from, to, reason, message: `${from} → ${to}` }],
  };
  const id = `${worker}#${t}`;
  return [
    { ...stamp(t), worker, kind: "decide", id, uid: `uid-${worker}`, generation: 1, reads: cited, decision },
    { ...stamp(t + 2), worker, kind: "write", decision: id, from, to, sentAt: t + 1, endedAt: t + 2, outcome: "ok" },
  ];
}

function readLines(): LineOf<"read">[] {
  const lines: Omit<LineOf<"read">, "id">[] = [];
  for (const [worker, { connections }] of Object.entries(plan.workers)) {
    for (const [trigger, connection] of Object.entries(connections)) {
      for (let t = 10; t < end; t += 500) {
        const [waiting = 0, running = 0] = truths[trigger]?.(t) ?? [];
        const down = connection === "other" && t >= outage.from && t < outage.to;
        lines.push({
          ...stamp(t + 2),
          kind: "read",
          worker,
          trigger,
          connection,
          sentAt: t,
          receivedAt: t + 2,
          woken: false,
          result: down
            ? { problem: { kind: "unreachable", message: "connection refused" } }
            : { reading: { waiting, running, epoch: "run-a", sampledAt: t } },
        });
      }
    }
  }
  return lines.toSorted((a, b) => a.t - b.t).map((line, id) => ({ ...line, id }));
}

const member = (t: number, id: string, event: "started" | "signalled" | "exited"): OwnLine => ({
  ...stamp(t),
  kind: "member",
  worker: id.replace(/-.*/, ""),
  id,
  pid: 100 + [...id].reduce((sum, c) => sum + c.charCodeAt(0), 0),
  event,
});

/** Each member's life: started, signalled, exited. */
const lives: readonly (readonly [id: string, from: number, signalled: number, to: number])[] = [
  ["mails-1-aaaa", 1030, 18_542, 18_600],
  ["mails-2-aaab", 1030, 8522, 8600],
  ["mails-3-aaac", 1030, 8522, 8600],
  ["mails-4-aaad", 1030, 8522, 8600],
  ["thumbs-1-aaae", 20, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
  ["thumbs-2-aaaf", 11_030, 18_522, 18_600],
  ["calls-1-aab0", 20, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
];

function memberLines(): OwnLine[] {
  return lives.flatMap(([id, from, signalled, to]) => [
    member(from, id, "started"),
    ...(signalled < end ? [member(signalled, id, "signalled"), member(to, id, "exited")] : []),
  ]);
}

/** What the observers saw, five times a second. */
function seenLines(): Line[] {
  const lines: Line[] = [];
  for (let t = 100; t <= end; t += 200) {
    for (const [worker, { connections }] of Object.entries(plan.workers)) {
      const here = lives.filter(([id, from, , to]) => id.startsWith(`${worker}-`) && from <= t && t < to);
      const leaving = here.filter(([, , signalled]) => signalled <= t);
      lines.push({ kind: "obs", t, worker, alive: here.map(([id]) => id), leaving: leaving.map(([id]) => id) });
      for (const trigger of Object.keys(connections)) {
        const [waiting = 0, running = 0] = truths[trigger]?.(t) ?? [];
        lines.push({ kind: "truth", t, worker, trigger, waiting, running });
        const down = trigger === "big" && t > outage.from + 1500 && t < outage.to + 1500;
        lines.push({ kind: "status", t, worker, trigger, known: !down });
      }
    }
  }
  return lines;
}

const job = (t: number, kind: "job.start" | "job.end", id: string, worker: string): Line => ({
  kind,
  t,
  job: id,
  worker,
  pid: 1,
});

/** A new copy of the good history. */
export function goodHistory(): Line[] {
  const reads = readLines();
  const jobs = lives
    .slice(0, 4)
    .flatMap(([id], index) => [
      job(1400, "job.start", `job-${index}`, id),
      job(index === 0 ? 12_000 : 6000, "job.end", `job-${index}`, id),
    ]);
  return [
    { kind: "proc", t: 5, run: 1, event: "ready", expected: true, detail: "" },
    ...reads,
    ...changes.flatMap((change) => changeLines(change, reads)),
    ...memberLines(),
    ...seenLines(),
    ...jobs,
    { kind: "fault.begin", t: outage.from, fault: "refused", connection: "other", outage: true },
    ...[10_100, 10_900, 12_800, 15_100].map((t): Line => ({ kind: "dial", t, connection: "other" })),
    { kind: "fault.end", t: outage.to, fault: "refused", connection: "other" },
    { kind: "clients", t: 20_000, connection: "main", count: 1 },
    { kind: "output", t: 20_100, source: "stdout", text: "thumbs 2 → 1: at its minimum" },
    { kind: "proc", t: end + 1, run: 1, event: "exit", expected: true, detail: "SIGTERM" },
  ];
}
