import { type History, isValue, jobsIn, type ReadLine, undisturbed } from "./history.ts";
import type { Violation } from "./lines.ts";

/**
 * I1. A write that lowers rests on every trigger: its newest answer before the write is a value, not older than
 * min(2 intervals + D, 15 s), and it shows the jobs in hand wherever these are to be protected.
 * A maximum that was set below the size is the user's own wish: there the reading does not matter.
 */
export function neverLowerOnUnknown(history: History): Violation[] {
  const { readMs, lowerAgeMs, slackMs } = history.constants;
  return history.workers.flatMap(([worker]) =>
    history.writes(worker).flatMap((write) => {
      const decision = history.decision(write);
      const rules = history.rulesOf(worker, decision);
      if (write.to >= write.from || rules === undefined || write.to >= rules.replicas.max) return [];
      // What came in while the target was taking the size is no part of what it was decided on.
      const at = decision?.t ?? write.endedAt;
      return rules.triggers.flatMap((trigger) => {
        const newest = history
          .reads(worker, trigger.name)
          .filter((read) => read.run === write.run && read.receivedAt <= at)
          .reduce<ReadLine | undefined>((best, read) => (best && best.sentAt > read.sentAt ? best : read), undefined);
        const say = (message: string): Violation[] => [
          {
            invariant: "I1",
            t: write.t,
            message: `${worker} lowered although ${trigger.name} ${message}`,
            lines: [write],
          },
        ];
        if (newest === undefined) return say("was never read");
        if ("problem" in newest.result) return say(`was not known: ${newest.result.problem.message}`);
        const ageMs = at - newest.sentAt;
        if (ageMs > Math.min(2 * trigger.intervalMs + readMs, lowerAgeMs) + slackMs) return say(`was read ${ageMs} ms ago`);
        const { running, wants } = newest.result.reading;
        if (rules.scaleDown.protect === "busy" && running === undefined && wants === undefined)
          return say("did not show the jobs in hand");
        return [];
      });
    }),
  );
}

/**
 * I2. Zero needs proof: at least two zeros of one epoch, far enough apart, with no failure and no other number between
 * them and the write, and no busy worker in the newest. And data that shrank by more than half together with a change
 * of epoch lower nothing for a minute.
 */
export function zeroNeedsProof(history: History): Violation[] {
  const { zeroApartMs, epochHoldMs } = history.constants;
  return history.workers.flatMap(([worker]) =>
    history.writes(worker).flatMap((write) => {
      const rules = history.rulesOf(worker, history.decision(write));
      if (write.to >= write.from || rules === undefined || rules.replicas.max === 0) return [];
      return rules.triggers.flatMap((trigger) => {
        const before = history
          .reads(worker, trigger.name)
          .filter((read) => read.run === write.run && read.receivedAt < write.endedAt);
        const say = (message: string): Violation[] => [
          {
            invariant: "I2",
            t: write.t,
            message: `${worker} went ${write.from}→${write.to}: ${trigger.name} ${message}`,
            lines: [write],
          },
        ];
        const fell = before.some((read, index) => {
          const prior = before[index - 1];
          const [old, now] = [jobsIn(prior), jobsIn(read)];
          if (prior === undefined || old === undefined || now === undefined || write.endedAt - read.sentAt > epochHoldMs)
            return false;
          return epochOf(prior) !== epochOf(read) && now < old / 2;
        });
        if (fell) return say("fell together with a change of its epoch");
        if (write.to > 0) return [];
        const lastOther = before.findLastIndex((read) => jobsIn(read) !== 0);
        const zeros = before.slice(lastOther + 1).filter((read, _, all) => epochOf(read) === epochOf(all.at(-1)));
        const apart = (zeros.at(-1)?.sentAt ?? 0) - (zeros[0]?.sentAt ?? 0);
        if (zeros.length < 2 || apart < Math.max(trigger.intervalMs, zeroApartMs) - 1)
          return say(`was not proven empty (${zeros.length} zeros, ${apart} ms apart)`);
        const newest = zeros.at(-1)?.result;
        const busy = newest && "reading" in newest ? (newest.reading.workers?.filter((one) => one.busy > 0) ?? []) : [];
        return busy.length > 0 ? say(`still showed ${busy[0]?.id} busy`) : [];
      });
    }),
  );
}

const epochOf = (read: ReadLine | undefined) =>
  read !== undefined && "reading" in read.result ? read.result.reading.epoch : undefined;

/** I13. An answer that came after the deadline, or across a stall of the event loop of over 500 ms, is cited by no decision. */
export function lateAnswersAreVoid(history: History): Violation[] {
  const { readMs, slackMs } = history.constants;
  const stalls = history.faults.filter(({ line, from, to }) => line.process === "stall" && to - from > 500);
  return history.of("decide").flatMap((decide) =>
    history.cited(decide).flatMap((read) => {
      if (read === undefined || !isValue(read)) return [];
      const tookMs = read.receivedAt - read.sentAt;
      const stalled = stalls.find(({ from, to }) => read.sentAt < from && read.receivedAt > to);
      if (tookMs <= readMs + slackMs && stalled === undefined) return [];
      const why = stalled ? "across a stall of the event loop" : `after ${tookMs} ms`;
      return [
        {
          invariant: "I13",
          t: decide.t,
          message: `decision ${decide.id} rests on an answer that came ${why}`,
          lines: [decide, read],
        },
      ];
    }),
  );
}

/**
 * I23. The status tells the truth: within 2 intervals + D of every change it says known exactly when the reads succeed. As the
 * newest read before it was asked says, however long ago that came, it may be in any case.
 */
export function statusIsTrue(history: History): Violation[] {
  return history.of("status").flatMap((status) => {
    const { worker, trigger, known, askedAt = status.t } = status;
    const everyMs = history.rulesAt(worker, status.t)?.triggers.find(({ name }) => name === trigger)?.intervalMs ?? 0;
    const since = askedAt - 2 * everyMs - history.constants.readMs;
    const reads = history.reads(worker, trigger);
    const newest = reads.findLast(({ receivedAt }) => receivedAt <= askedAt);
    const lately = reads.filter((read) => read === newest || (read.receivedAt >= since && read.receivedAt <= status.t));
    if (lately.length === 0 || lately.some((read) => isValue(read) === known)) return [];
    const message = `the status of ${worker}/${trigger} says ${known ? "known" : "unknown"}, its reads say otherwise`;
    return [{ invariant: "I23", t: status.t, message, lines: [status] }];
  });
}

/**
 * I25. Level-triggered: once a queue stands still, every read of it tells what is there, whatever hints or answers
 * were lost before. Reads next to the beginning or end of a job are left out: the observer may have missed that.
 */
export function readsTellTheTruth(history: History): Violation[] {
  const jobs = history.of("job.start").concat(history.of("job.end") as never[]);
  const { slackMs } = history.constants;
  return history.workers.flatMap(([worker, expected]) =>
    undisturbed(history, worker, expected).flatMap((still) =>
      Object.keys(expected.connections).flatMap((trigger) => {
        const truth = still.truth.get(trigger);
        const wrong = history.reads(worker, trigger).find((read) => {
          if (read.sentAt < still.from + slackMs || read.receivedAt > still.to || !("reading" in read.result)) return false;
          if (jobs.some(({ t }) => t > read.sentAt - 500 && t < read.receivedAt + 500)) return false;
          const { waiting, running } = read.result.reading;
          if (truth === undefined || waiting === undefined) return false;
          // A job whose worker is gone is running by its place, and waiting for another worker in truth.
          return running === undefined ? waiting !== truth.waiting : waiting + running !== truth.waiting + truth.running;
        });
        if (wrong === undefined) return [];
        const message = `${worker}/${trigger} held ${truth?.waiting} waiting, ${truth?.running} running, and was read otherwise`;
        return [{ invariant: "I25", t: wrong.sentAt, message, lines: [wrong] }];
      }),
    ),
  );
}
