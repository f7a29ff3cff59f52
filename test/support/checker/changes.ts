import { decide as decideAgain } from "../../../src/core/decide.ts";
import type { Decision, Situation } from "../../../src/core/decision.ts";
import type { Rules } from "../../../src/core/spec.ts";
import { type History, isValue, type WriteLine } from "./history.ts";
import type { LineOf, Violation } from "./lines.ts";

/** I10. No write that changes nothing. */
export function noEmptyWrite(history: History): Violation[] {
  return history.of("write").flatMap((write) =>
    write.outcome === "ok" && write.from === write.to
      ? [
          {
            invariant: "I10",
            t: write.t,
            message: `${write.worker} was written as ${write.to}, which it was`,
            lines: [write],
          },
        ]
      : [],
  );
}

/**
 * I11. Every change has a reason: a write that took effect cites one decision before it, for the same change, with a
 * sentence, with reads that exist and were in, and with an unbroken chain of steps from the demand to its number.
 * A lowering may end above its decision: some of the chosen workers were no longer idle.
 * And it is no matter of chance: made again from what it was made from, by the rules that the test wrote, it is the same.
 */
export function everyChangeHasAReason(history: History): Violation[] {
  const ofWrites = history.of("write").flatMap((write) => {
    if (write.outcome !== "ok") return [];
    const say = (message: string): Violation[] => [
      {
        invariant: "I11",
        t: write.t,
        message: `${write.worker} ${write.from}→${write.to}: ${message}`,
        lines: [write],
      },
    ];
    const decide = history.decision(write);
    if (decide === undefined || decide.worker !== write.worker) return say(`there is no decision ${write.decision}`);
    const { decision } = decide;
    if (decide.t > write.endedAt) return say("its decision came after it");
    const partly = decision.to < decision.from && write.to > decision.to && write.to < write.from;
    if (decision.from !== write.from || (decision.to !== write.to && !partly))
      return say(`its decision was ${decision.from}→${decision.to}`);
    return [];
  });
  return [...ofWrites, ...history.of("decide").flatMap((decide) => decisionHolds(history, decide))];
}

/** No more than the number of replicas that Kubernetes can write down. */
const wanted = (jobs: number, perReplica: number) => Math.min(2 ** 31 - 1, Math.ceil(jobs / perReplica));

function decisionHolds(history: History, decide: LineOf<"decide">): Violation[] {
  const { decision } = decide;
  const say = (message: string): Violation[] => [
    {
      invariant: "I11",
      t: decide.t,
      message: `decision ${decide.id} ${message}`,
      lines: [decide],
    },
  ];
  if (decision.summary.trim() === "") return say("says nothing");
  const cited = history.cited(decide);
  const absent = decide.reads.find((id, index) => id !== null && cited[index] === undefined);
  if (absent !== undefined) return say(`cites read ${absent}, which does not exist`);
  if (cited.some((read) => read !== undefined && read.receivedAt > decide.t + 1)) return say("cites a read that was not in yet");
  const broken = decision.steps.some((step, index) => index > 0 && step.from !== decision.steps[index - 1]?.to);
  if (broken || (decision.steps.length > 0 && decision.steps.at(-1)?.to !== decision.to))
    return say("has a broken chain of steps");
  if (decision.steps.some((step) => step.from !== step.to && step.message.trim() === ""))
    return say("has a step without a sentence");
  const rules = history.rulesOf(decide.worker, decide);
  if (rules !== undefined && decide.inputs !== undefined) {
    const again = remade(rules, decide.inputs);
    if (again !== gist(decision)) return say(`is ${gist(decision)}, and made again ${again}`);
  }
  const miscounted = rules?.triggers.find((trigger, index) => {
    const reading = cited[index]?.result;
    const view = decision.triggers.find(({ name }) => name === trigger.name);
    if (view?.wants === undefined || view.state !== "known" || reading === undefined || !("reading" in reading)) return false;
    const { waiting, running, dueSoon, reserved, ceiling } = reading.reading;
    if (dueSoon !== undefined || reserved !== undefined || ceiling !== undefined) return false;
    if (trigger.goal.kind === "waitingPerReplica")
      return waiting !== undefined && view.wants !== wanted(waiting, trigger.goal.jobs);
    if (trigger.goal.kind !== "jobsPerReplica" || waiting === undefined) return false;
    return view.wants !== wanted(waiting + (running ?? 0), trigger.goal.jobs);
  });
  return miscounted === undefined ? [] : say(`counts ${miscounted.name} otherwise than its reading`);
}

/** What a decision comes to, and by which steps. Its sentences tell ages of what came in meanwhile, and are left out. */
const gist = ({ from, to, rule, reason, steps, removable }: Decision): string =>
  JSON.stringify({ from, to, rule, reason, steps: steps.map((step) => [step.rule, step.from, step.to, step.reason]), removable });

function remade(rules: Rules, inputs: Omit<Situation, "rules">): string {
  return gist(decideAgain({ ...inputs, rules }).decision);
}

/** I12. Within min (or the idle size) and max of its generation, whole, and within the step limits of its direction. */
export function withinBounds(history: History): Violation[] {
  return history.workers.flatMap(([worker]) =>
    history.writes(worker).flatMap((write, index, all) => {
      const rules = history.rulesOf(worker, history.decision(write));
      if (rules === undefined) return [];
      const { min, max, idle } = rules.replicas;
      const say = (message: string): Violation[] => [
        {
          invariant: "I12",
          t: write.t,
          message: `${worker} ${write.from}→${write.to}: ${message}`,
          lines: [write],
        },
      ];
      // A lowering may stop above the maximum, and below an edited minimum nothing was ever asked for.
      const inside = write.to >= Math.min(min, idle) && (write.to <= max || write.to < write.from);
      if (!Number.isInteger(write.to) || !inside) return say(`outside of ${idle}..${max}`);
      const limit = stepLimit(rules, write, all.slice(0, index));
      if (write.to === min || write.to === idle || write.from === 0) return [];
      const beyond = write.to > write.from ? write.to > limit : write.to < limit;
      return beyond ? say(`beyond the step limit of ${limit}`) : [];
    }),
  );
}

/** The furthest size that the policies of this direction allow (HPA v2), from what was written within each period. */
function stepLimit(rules: Rules, write: WriteLine, before: readonly WriteLine[]): number {
  const up = write.to > write.from;
  const { policies, selectPolicy } = up ? rules.behavior.scaleUp : rules.behavior.scaleDown;
  if (selectPolicy === "Disabled") return write.from;
  if (policies.length === 0) return up ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
  const limits = policies.map(({ type, value, periodSeconds }) => {
    // Half a second less than the period: the recorders' clocks and the decision's differ.
    const since = write.sentAt - periodSeconds * 1000 + 500;
    const recent = before.filter((one) => one.endedAt >= since && Math.sign(one.to - one.from) === (up ? 1 : -1));
    const start = recent.reduce((size, one) => size - (one.to - one.from), write.from);
    if (type === "Pods") return up ? start + value : start - value;
    return up ? Math.ceil(start * (1 + value / 100)) : Math.floor(start * (1 - value / 100));
  });
  return (selectPolicy === "Max") === up ? Math.max(...limits) : Math.min(...limits);
}

/**
 * I17. A direction that is paused is silent, from the moment at which the pause is known to be in force. A decision by
 * newer rules than those counts by its own: an edit is in force a little before anyone tells of it.
 */
export function pausedIsSilent(history: History): Violation[] {
  return history.workers.flatMap(([worker]) =>
    history.writes(worker).flatMap((write) => {
      const own = history.rulesOf(worker, history.decision(write));
      const told = history.rulesAt(worker, write.sentAt);
      const rules = (own?.generation ?? 0) > (told?.generation ?? 0) ? own : told;
      const paused = rules?.pause?.directions;
      const forbidden = paused === "Both" || paused === (write.to > write.from ? "Up" : "Down");
      const observing = rules?.mode === "Observe";
      if (!forbidden && !observing) return [];
      const message = `${worker} went ${write.from}→${write.to} while ${observing ? "only observed" : `paused (${paused})`}`;
      return [{ invariant: "I17", t: write.t, message, lines: [write] }];
    }),
  );
}

/**
 * I28. A trigger that is not known raises nothing by itself: a raise goes no further than what the known (or lately
 * known) triggers want, the minimum, or a fallback whose failures are really there. And not knowing never lowers.
 */
export function unknownRaisesOnlyByFallback(history: History): Violation[] {
  return history.of("decide").flatMap((decide) => {
    const { decision } = decide;
    const rules = history.rulesOf(decide.worker, decide);
    if (rules === undefined) return [];
    const say = (message: string): Violation[] => [
      {
        invariant: "I28",
        t: decide.t,
        message: `decision ${decide.id} ${message}`,
        lines: [decide],
      },
    ];
    if (decision.steps.some((step) => step.rule === "unknown" && step.to < step.from))
      return say("lowers because a trigger is unknown");
    if (decision.to <= decision.from) return [];
    const wanted = decision.triggers.map((view) => (view.state === "unknown" ? 0 : (view.wants ?? 0)));
    if (decision.to <= Math.max(rules.replicas.min, rules.replicas.idle, ...wanted)) return [];
    const { fallback } = rules;
    if (fallback === undefined || decision.to > fallback.replicas)
      return say(`raises to ${decision.to}, which no known trigger wants`);
    const failed = rules.triggers.some(({ name }) => {
      const before = history
        .reads(decide.worker, name)
        .filter((read) => read.run === decide.run && read.receivedAt <= decide.t + 1);
      return before.length >= fallback.afterFailures && before.slice(-fallback.afterFailures).every((read) => !isValue(read));
    });
    return failed ? [] : say(`falls back before ${fallback.afterFailures} failures`);
  });
}
