import { downtimes, type History, isValue, without } from "./history.ts";
import type { Violation } from "./lines.ts";

/** How many times slower than planned the observers themselves were: a machine that starves them starves worktide as well. */
function slowness(history: History, from: number, to: number): number {
  const [worker] = history.workers[0] ?? [];
  const looks = history.of("obs").filter((obs) => obs.worker === worker && obs.t >= from && obs.t <= to).length;
  return Math.max(1, (to - from) / history.constants.lookMs / Math.max(1, looks + 1));
}

/** I18. While one connection is at fault, the triggers of the others are read at 95 % of their plan or more. */
export function othersGoOn(history: History): Violation[] {
  return history.faults.flatMap((fault) => {
    const { connection } = fault.line;
    const to = Math.min(fault.to, history.end);
    if (connection === undefined) return [];
    // Another fault at the same time blurs whose delay it is.
    const alone = without(fault, [...history.faults.filter((other) => other !== fault), ...downtimes(history)]);
    if (alone.length !== 1 || alone[0]?.from !== fault.from || alone[0].to !== fault.to) return [];
    return history.workers.flatMap(([worker, expected]) =>
      Object.entries(expected.connections).flatMap(([trigger, other]) => {
        const everyMs = history.rulesAt(worker, fault.from)?.triggers.find(({ name }) => name === trigger)?.intervalMs;
        if (other === connection || everyMs === undefined) return [];
        const whole = (to - fault.from) / everyMs / slowness(history, fault.from, to);
        const planned = Math.floor(whole * history.constants.isolation);
        // Of a few reads a late one is too large a share.
        if (planned < 10) return [];
        const good = history
          .reads(worker, trigger)
          .filter((read) => isValue(read) && read.sentAt >= fault.from && read.sentAt <= to);
        if (good.length >= planned - 1) return [];
        const message = `${worker}/${trigger} was read ${good.length} times of ${planned} while ${connection} had ${fault.line.fault}`;
        return [{ invariant: "I18", t: fault.from, message, lines: [fault.line] }];
      }),
    );
  });
}

/** I20. Bounded: one read of a trigger at a time, and a few connections to an address, whatever happens. */
export function boundedResources(history: History): Violation[] {
  const overlapping = history.workers.flatMap(([worker, expected]) =>
    Object.keys(expected.connections).flatMap((trigger) =>
      history.reads(worker, trigger).flatMap((read, index, all) => {
        const prior = all[index - 1];
        if (prior === undefined || prior.run !== read.run || prior.receivedAt <= read.sentAt + 1) return [];
        const message = `${worker}/${trigger} was asked again before the answer of read ${prior.id} was in`;
        return [{ invariant: "I20", t: read.sentAt, message, lines: [prior, read] }];
      }),
    ),
  );
  const connections = history.of("clients").flatMap((line) =>
    line.count <= history.constants.clients
      ? []
      : [
          {
            invariant: "I20",
            t: line.t,
            message: `${line.count} connections to ${line.connection}`,
            lines: [line],
          },
        ],
  );
  return [...overlapping, ...connections];
}

/**
 * I21. Retry discipline: in an outage of T at most 8 + T/2.5 s attempts; after it no more than 20 in a second.
 * The dials are counted outside, by a proxy.
 */
export function retriesAreGentle(history: History): Violation[] {
  const outages = history.faults.filter(({ line }) => line.outage);
  const inOutages = outages.flatMap(({ line, from, to: end }) => {
    const to = Math.min(end, history.end);
    const dials = history.of("dial").filter((dial) => dial.connection === line.connection && dial.t >= from && dial.t <= to);
    const allowed = 8 + (to - from) / 2500;
    if (dials.length <= allowed) return [];
    const message = `${dials.length} dials of ${line.connection} in ${to - from} ms of ${line.fault}`;
    return [{ invariant: "I21", t: from, message, lines: dials.slice(0, 3) }];
  });
  const bursts = history.of("dial").flatMap((dial, index, all) => {
    const twentyLater = all[index + 20];
    if (twentyLater === undefined || twentyLater.t - dial.t >= 1000) return [];
    return [
      {
        invariant: "I21",
        t: dial.t,
        message: "more than 20 dials within a second",
        lines: [dial, twentyLater],
      },
    ];
  });
  return [...inOutages, ...bursts.slice(0, 1)];
}

/**
 * I22. No silence: while worktide is up, every trigger is read at least every 3 intervals + D; while it is failing,
 * its connection's backoff may add to that. And it ends only when it is told to, and loses no rejection.
 */
export function noSilence(history: History): Violation[] {
  const { readMs, backoffCapMs, slackMs } = history.constants;
  const asleep = history.faults.filter(({ line }) => line.process !== undefined || line.undeclared);
  const ups = without({ from: history.lines[0]?.t ?? 0, to: history.end }, [...downtimes(history), ...asleep]);
  const silences = history.workers.flatMap(([worker, expected]) =>
    Object.keys(expected.connections).flatMap((trigger) => {
      const everyMs = history.rulesOf(worker, undefined)?.triggers.find(({ name }) => name === trigger)?.intervalMs ?? 0;
      const reads = history.reads(worker, trigger);
      return ups.flatMap((up) => {
        const inside = reads.filter((read) => read.receivedAt >= up.from && read.receivedAt <= up.to);
        const marks = [up.from, ...inside.map((read) => read.receivedAt), up.to];
        const gap = marks.findIndex((mark, index) => {
          const failing = index >= 2 && !isValue(inside[index - 2]);
          const allowed = 3 * everyMs + readMs + (failing ? backoffCapMs : 0) + slackMs;
          const since = marks[index - 1] ?? mark;
          return index > 0 && mark - since > allowed * slowness(history, since, mark);
        });
        if (gap === -1) return [];
        const [from = 0, to = 0] = marks.slice(gap - 1);
        return [
          {
            invariant: "I22",
            t: from,
            message: `${worker}/${trigger} was not read for ${Math.round(to - from)} ms`,
            lines: [],
          },
        ];
      });
    }),
  );
  const exits = history.of("proc").flatMap((line) =>
    line.event === "exit" && !line.expected
      ? [
          {
            invariant: "I22",
            t: line.t,
            message: `worktide ended by itself: ${line.detail}`,
            lines: [line],
          },
        ]
      : [],
  );
  const lost = history.of("output").flatMap((line) =>
    /unhandled ?(promise ?)?rejection|uncaught ?exception/i.test(line.text)
      ? [
          {
            invariant: "I22",
            t: line.t,
            message: "a rejection or an exception was lost",
            lines: [line],
          },
        ]
      : [],
  );
  return [...silences, ...exits, ...lost];
}
