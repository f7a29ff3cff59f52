import type { Rules } from "../../../src/core/spec.ts";
import type { Constants, Expected, FaultLine, Line, LineOf, Plan } from "./lines.ts";
import { defaults } from "./lines.ts";

export type ReadLine = LineOf<"read">;
export type WriteLine = LineOf<"write">;
export type DecideLine = LineOf<"decide">;

/** One fault from its begin to its end; `to` is Infinity when it never ended. */
export type Fault = Readonly<{ line: FaultLine; from: number; to: number }>;

/** A stretch of time, ms. */
export type Span = Readonly<{ from: number; to: number }>;

/** Merged lines in the order of time, with the questions that invariants ask of them. */
export type History = Readonly<{
  lines: readonly Line[];
  plan: Plan;
  constants: Constants;
  of<Kind extends Line["kind"]>(kind: Kind): readonly LineOf<Kind>[];
  faults: readonly Fault[];
  /** The end of the history. */
  end: number;
  workers: readonly (readonly [string, Expected])[];
  /** The rules that a decision was made by. */
  rulesOf(worker: string, decide: Pick<DecideLine, "generation" | "run"> | undefined): Rules | undefined;
  /** The rules that were in force at `t`, by the last spec line of the run. */
  rulesAt(worker: string, t: number): Rules | undefined;
  /** Reads of one trigger, in the order in which they were sent. */
  reads(worker: string, trigger: string): readonly ReadLine[];
  decision(write: WriteLine): DecideLine | undefined;
  /** The reads that a decision cites, in the order of the triggers. */
  cited(decide: DecideLine): readonly (ReadLine | undefined)[];
  /** Every write that took effect. */
  writes(worker: string): readonly WriteLine[];
}>;

/** The pool that a member belongs to: ids are `<pool>-<n>-<4 hex>`, and of pods `<pool>-<hash>-<5>` or `<pool>-<ordinal>`. */
export const poolOf = (member: string): string => member.replace(/-(\d+-[0-9a-f]{4}|[a-z0-9]{6,10}-[a-z0-9]{5}|\d+)$/, "");

/** Jobs that a reading shows, of any state that a worker is for; undefined when it shows nothing at all. */
export function jobsIn(read: ReadLine | undefined): number | undefined {
  if (read === undefined || !("reading" in read.result)) return undefined;
  const { waiting, running, reserved, dueSoon } = read.result.reading;
  if (waiting === undefined && running === undefined) return undefined;
  return (waiting ?? 0) + (running ?? 0) + (reserved ?? 0) + (dueSoon ?? 0);
}

export const isValue = (read: ReadLine | undefined): boolean => read !== undefined && "reading" in read.result;

/** Pairs begins with ends of the same fault and scope. */
function pairFaults(lines: readonly Line[]): Fault[] {
  const scope = (line: FaultLine): string => [line.fault, line.connection, line.worker, line.member].join("|");
  const open: { line: FaultLine; from: number; to: number }[] = [];
  for (const line of lines) {
    if (line.kind === "fault.begin") open.push({ line, from: line.t, to: Number.POSITIVE_INFINITY });
    if (line.kind !== "fault.end") continue;
    const fault = open.findLast((one) => one.to === Number.POSITIVE_INFINITY && scope(one.line) === scope(line));
    if (fault !== undefined) fault.to = line.t;
  }
  return open;
}

/** Sorts and indexes the lines. */
export function historyOf(unsorted: readonly Line[], plan: Plan): History {
  const lines = unsorted.toSorted((a, b) => a.t - b.t);
  const byKind = Map.groupBy(lines, (line) => line.kind);
  const of = <Kind extends Line["kind"]>(kind: Kind) => (byKind.get(kind) ?? []) as unknown as readonly LineOf<Kind>[];
  const readsById = new Map(of("read").map((read) => [`${read.run}:${read.id}`, read]));
  const byTrigger = Map.groupBy(of("read"), (read) => `${read.worker} ${read.trigger}`);
  const decisions = new Map(of("decide").map((decide) => [`${decide.run}:${decide.id}`, decide]));
  const specs = Map.groupBy(of("spec"), (spec) => spec.worker);
  const rulesOf = (worker: string, { generation, run }: Pick<DecideLine, "generation" | "run"> = { generation: 1, run: 1 }) => {
    const { rules = [], before = {} } = plan.workers[worker] ?? {};
    return rules[Math.min((before[run] ?? 0) + generation, rules.length) - 1];
  };
  return {
    lines,
    plan,
    constants: { ...defaults, ...plan.constants },
    of,
    faults: pairFaults(lines),
    end: lines.at(-1)?.t ?? 0,
    workers: Object.entries(plan.workers),
    rulesOf,
    rulesAt: (worker, t) => {
      const run = of("proc").findLast((proc) => proc.event === "ready" && proc.t <= t)?.run ?? 1;
      const spec = specs.get(worker)?.findLast((one) => one.run === run && one.t <= t);
      return rulesOf(worker, spec ?? { generation: 1, run });
    },
    reads: (worker, trigger) => (byTrigger.get(`${worker} ${trigger}`) ?? []).toSorted((a, b) => a.sentAt - b.sentAt),
    decision: (write) => decisions.get(`${write.run}:${write.decision}`),
    cited: (decide) => decide.reads.map((id) => readsById.get(`${decide.run}:${id}`)),
    writes: (worker) => of("write").filter((write) => write.worker === worker && write.outcome === "ok"),
  };
}

/** Does this fault touch this ScaledWorker: its processes, one of its connections, or everything? */
export function touches(fault: Fault, worker: string, expected: Expected): boolean {
  const { line } = fault;
  if (line.process !== undefined) return true;
  if (line.worker !== undefined) return line.worker === worker;
  if (line.member !== undefined) return poolOf(line.member) === worker;
  return line.connection === undefined || Object.values(expected.connections).includes(line.connection);
}

/** What is left of `span` without the stretches in `holes`. */
export function without(span: Span, holes: readonly Span[]): Span[] {
  let left: Span[] = [span];
  for (const hole of holes) {
    left = left.flatMap((part) => {
      if (hole.to <= part.from || hole.from >= part.to) return [part];
      return [
        { from: part.from, to: hole.from },
        { from: hole.to, to: part.to },
      ].filter((piece) => piece.to > piece.from);
    });
  }
  return left;
}

/** When no worktide was up: before one was ready, and from the exit of the last one to the next readiness. */
export function downtimes(history: History): Span[] {
  const spans: Span[] = [];
  const up = new Set<number>();
  let downSince: number | undefined = Number.NEGATIVE_INFINITY;
  for (const { event, run, t } of history.of("proc")) {
    if (event === "ready") {
      up.add(run);
      if (downSince !== undefined) spans.push({ from: downSince, to: t });
      downSince = undefined;
    } else {
      up.delete(run);
      if (up.size === 0) downSince ??= t;
    }
  }
  return downSince === undefined ? spans : [...spans, { from: downSince, to: Number.POSITIVE_INFINITY }];
}

/** A stretch in which every trigger of a worker had the same numbers at every sample. */
export type Still = Span & Readonly<{ truth: ReadonlyMap<string, LineOf<"truth">> }>;

/** A gap between samples longer than this ends a stretch: nobody looked, ms. */
const sampleGapMs = 2500;

/** All stretches in which the queues of a worker stood still, as far as the samples of the truth tell. */
export function stillStretches(history: History, worker: string, expected: Expected): Still[] {
  const stretches: Still[] = [];
  const names = Object.keys(expected.connections);
  let truth = new Map<string, LineOf<"truth">>();
  let from = 0;
  let last = Number.NEGATIVE_INFINITY;
  const close = () => {
    if (truth.size === names.length && last > from) stretches.push({ from, to: last, truth });
  };
  for (const line of history.of("truth")) {
    if (line.worker !== worker) continue;
    const before = truth.get(line.trigger);
    const gap = line.t - last > sampleGapMs;
    const same = before === undefined || (before.waiting === line.waiting && before.running === line.running);
    if (gap || !same) {
      close();
      truth = gap ? new Map([[line.trigger, line]]) : new Map(truth).set(line.trigger, line);
      from = line.t;
    } else {
      if (before === undefined) from = line.t;
      truth.set(line.trigger, line);
    }
    last = line.t;
  }
  close();
  return stretches;
}

/**
 * The parts of the still stretches in which nothing else disturbed: no fault that touches the worker, worktide up,
 * no edit of the spec. A part begins anew after each.
 */
export function undisturbed(history: History, worker: string, expected: Expected): Still[] {
  const holes: Span[] = [
    ...history.faults.filter((fault) => touches(fault, worker, expected)),
    ...downtimes(history),
    ...history.of("spec").flatMap((spec) => (spec.worker === worker ? [{ from: spec.t, to: spec.t + 1 }] : [])),
  ];
  return stillStretches(history, worker, expected).flatMap((still) =>
    without(still, holes).map((part) => ({ ...part, truth: still.truth })),
  );
}

/** What the size may be for these numbers in the end. Undefined where only measured rates could tell. */
export function oracle(rules: Rules, truth: Still["truth"]): Readonly<{ least: number; most: number }> | undefined {
  const { min, max, idle } = rules.replicas;
  const clamp = (replicas: number) => Math.min(max, Math.max(min, replicas));
  const views = rules.triggers.map((trigger) => ({
    trigger,
    seen: truth.get(trigger.name),
  }));
  const running = views.reduce((sum, { seen }) => sum + (seen?.running ?? 0), 0);
  const waiting = views.reduce((sum, { seen }) => sum + (seen?.waiting ?? 0), 0);
  if (running + waiting === 0) return { least: idle, most: idle };
  let demand = 0;
  for (const { trigger, seen } of views) {
    if (seen === undefined) return undefined;
    if (trigger.goal.kind === "waitingPerReplica") demand = Math.max(demand, Math.ceil(seen.waiting / trigger.goal.jobs));
    else if (trigger.goal.kind === "jobsPerReplica")
      demand = Math.max(demand, Math.ceil((seen.waiting + seen.running) / trigger.goal.jobs));
    else return undefined;
  }
  const active = views.some(({ trigger, seen }) => (seen?.waiting ?? 0) + (seen?.running ?? 0) > trigger.activation);
  const floor = Math.ceil(running / rules.concurrency);
  const least = clamp(Math.max(demand, floor));
  return {
    least: active ? least : idle,
    most: Math.max(least, clamp(running)),
  };
}
