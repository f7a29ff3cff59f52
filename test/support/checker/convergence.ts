import type { Policy, Rules } from "../../../src/core/spec.ts";
import {
  downtimes,
  type History,
  isValue,
  oracle,
  stillStretches,
  touches,
  undisturbed,
  type WriteLine,
  without,
} from "./history.ts";
import type { LineOf, Violation } from "./lines.ts";

const longestInterval = (rules: Rules): number => Math.max(0, ...rules.triggers.map(({ intervalMs }) => intervalMs));

/** How long after the last disturbance a pool may still be on its way, ms. */
function settleMs(history: History, rules: Rules, downwards: boolean): number {
  const { backoffCapMs, readMs, writeMs, zeroApartMs } = history.constants;
  const base = backoffCapMs + readMs + 2 * longestInterval(rules) + writeMs;
  const { scaleUp, scaleDown } = rules.behavior;
  const steps = (policies: readonly Policy[]) => Math.max(0, ...policies.map((policy) => policy.periodSeconds * 1000)) * 3;
  if (!downwards) return base + scaleUp.stabilizationWindowSeconds * 1000 + steps(scaleUp.policies);
  const window = scaleDown.stabilizationWindowSeconds * 1000 + steps(scaleDown.policies);
  return base + window + rules.scaleDown.cooldownMs + zeroApartMs;
}

const sizeOf = (obs: LineOf<"obs">): number => obs.alive.filter((id) => !obs.leaving.includes(id)).length;

/** Rules under which the size follows from the numbers alone. */
function follows(rules: Rules | undefined): rules is Rules {
  return rules !== undefined && rules.mode === "Scale" && rules.pause === undefined;
}

/** Parts of a history in which a fall together with a new epoch is held on purpose. */
function epochHolds(history: History, worker: string): Readonly<{ from: number; to: number }>[] {
  const triggers = Object.keys(history.plan.workers[worker]?.connections ?? {});
  return triggers.flatMap((trigger) =>
    history
      .reads(worker, trigger)
      .filter(isValue)
      .flatMap((read, index, all) => {
        const prior = all[index - 1]?.result;
        if (prior === undefined || !("reading" in prior) || !("reading" in read.result)) return [];
        if (prior.reading.epoch === read.result.reading.epoch) return [];
        return [
          {
            from: read.sentAt,
            to: read.sentAt + history.constants.epochHoldMs + 2000,
          },
        ];
      }),
  );
}

/**
 * I8. Convergence: once the faults are over and the queues stand still, the pool comes to the size that the rules give
 * for them within X = backoff cap + D + 2 intervals + W (+ window, cooldown and zero-proof downwards), and stays there
 * for at least three intervals.
 */
export function converges(history: History): Violation[] {
  return history.workers.flatMap(([worker, expected]) =>
    undisturbed(history, worker, expected).flatMap((still) => {
      const rules = history.rulesAt(worker, still.from);
      if (!follows(rules)) return [];
      const range = oracle(rules, still.truth);
      const seen = history.of("obs").filter((obs) => obs.worker === worker && obs.t >= still.from && obs.t <= still.to);
      const first = seen[0];
      if (range === undefined || first === undefined) return [];
      const downwards = sizeOf(first) > range.most;
      const held = downwards ? epochHolds(history, worker).filter((hold) => hold.from < still.to && hold.to > still.from) : [];
      const due = Math.max(still.from, ...held.map((hold) => hold.to)) + settleMs(history, rules, downwards);
      if (still.to < due + 3 * longestInterval(rules)) return [];
      const wrong = seen.find((obs) => obs.t >= due && (sizeOf(obs) < range.least || sizeOf(obs) > range.most));
      if (wrong === undefined) return [];
      const message = `${worker} had ${sizeOf(wrong)} replicas, not ${range.least}..${range.most}, ${Math.round(wrong.t - still.from)} ms after its queues stood still`;
      return [{ invariant: "I8", t: wrong.t, message, lines: [wrong] }];
    }),
  );
}

const directions = (writes: readonly WriteLine[]): number[] =>
  writes.map((write) => Math.sign(write.to - write.from)).filter((sign) => sign !== 0);

/**
 * I9. No oscillation: while the queues stand still, the size changes its direction at most once per fault or edit that
 * fell into that time, and never without one.
 */
export function neverOscillates(history: History): Violation[] {
  return history.workers.flatMap(([worker, expected]) =>
    stillStretches(history, worker, expected).flatMap((still) => {
      const rules = history.rulesAt(worker, still.from);
      if (rules === undefined) return [];
      const from = still.from + longestInterval(rules) + history.constants.readMs;
      const writes = history.writes(worker).filter((write) => write.sentAt > from && write.endedAt < still.to);
      const signs = directions(writes);
      const reversals = signs.filter((sign, index) => index > 0 && sign !== signs[index - 1]).length;
      const causes =
        history.faults.filter((fault) => touches(fault, worker, expected) && fault.from < still.to && fault.to > still.from)
          .length +
        history.of("spec").filter((spec) => spec.worker === worker && spec.t > still.from && spec.t < still.to).length;
      if (reversals <= causes) return [];
      const message = `${worker} turned ${reversals} times in ${Math.round(still.to - from)} ms in which nothing but ${causes} faults and edits happened`;
      return [{ invariant: "I9", t: still.from, message, lines: writes }];
    }),
  );
}

/**
 * I27. Raise is alive: work that waits beyond the activation, on a connection that can be read, has a worker within an
 * interval + D + W, whatever happens elsewhere.
 */
export function raiseIsAlive(history: History): Violation[] {
  const { readMs, writeMs } = history.constants;
  return history.workers.flatMap(([worker, expected]) =>
    Object.entries(expected.connections).flatMap(([trigger, connection]) => {
      const holes = [...downtimes(history), ...blocking(history, worker, connection)];
      return waitingSpans(history, worker, trigger).flatMap((span) =>
        without(span, holes).flatMap((part) => {
          const rules = history.rulesAt(worker, part.from);
          const everyMs = rules?.triggers.find(({ name }) => name === trigger)?.intervalMs ?? 0;
          if (!follows(rules) || rules.replicas.max === 0 || rules.behavior.scaleUp.selectPolicy === "Disabled") return [];
          const due = part.from + everyMs + readMs + writeMs;
          const late = history
            .of("obs")
            .find((obs) => obs.worker === worker && obs.t >= due && obs.t <= part.to && obs.alive.length === 0);
          if (late === undefined) return [];
          const message = `${worker} has no replica ${Math.round(late.t - part.from)} ms after work came to ${trigger}`;
          return [{ invariant: "I27", t: late.t, message, lines: [late] }];
        }),
      );
    }),
  );
}

/** Faults behind which this worker's trigger cannot be seen or its processes cannot live; and the time to come back. */
function blocking(history: History, worker: string, connection: string) {
  const { backoffCapMs, readMs } = history.constants;
  return history.faults
    .filter(({ line }) => {
      if (line.process !== undefined) return true;
      if (line.worker !== undefined || line.member !== undefined) return line.worker === worker;
      return !line.readable && (line.connection === undefined || line.connection === connection);
    })
    .map(({ from, to }) => ({ from, to: to + backoffCapMs + readMs }));
}

/** Stretches in which more than the activation waited, at every sample. */
function waitingSpans(history: History, worker: string, trigger: string) {
  const spans: { from: number; to: number }[] = [];
  let open: { from: number; to: number } | undefined;
  for (const line of history.of("truth")) {
    if (line.worker !== worker || line.trigger !== trigger) continue;
    const activation = history.rulesAt(worker, line.t)?.triggers.find(({ name }) => name === trigger)?.activation ?? 0;
    if (line.waiting <= activation) open = undefined;
    else if (open === undefined) {
      open = { from: line.t, to: line.t };
      spans.push(open);
    } else open.to = line.t;
  }
  return spans;
}
