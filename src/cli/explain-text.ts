import type { TriggerSnapshot, WorkerSnapshot } from "../control/worker-snapshot.ts";
import { ageText, countedText, painter, table } from "./text.ts";

const hourMs = 3_600_000;
const shownChanges = 8;
/** So long it may take until a ready worker takes its first job, ms. */
const untakenMs = 30_000;
/** Columns that a table may take; beyond that terminals wrap it, and goals get lines of their own. */
const widestTable = 96;

/** The whole answer to "why this number?", for a terminal. `now` is ms since 1970. */
export function explainText(worker: WorkerSnapshot, { now, color }: Readonly<{ now: number; color: boolean }>): string {
  const paint = painter(color);
  const heading = (text: string) => paint("bold", text);
  const lines = [...head(worker, now, paint), ""];
  if (worker.decision !== undefined) {
    lines.push(heading(`WHY ${worker.decision.to}`), indent(triggers(worker, now)));
    for (const { rule, from, to, message } of worker.decision.steps) {
      lines.push(`  → ${rule}: ${message}${from === to ? "" : paint("dim", ` (${from} → ${to})`)}`);
    }
    lines.push("");
  }
  if (worker.whatWouldChange.length > 0)
    lines.push(heading("WHAT WOULD CHANGE IT"), indent(worker.whatWouldChange.join("\n")), "");
  lines.push(heading("LAST HOUR"), indent(lastHour(worker, now)));
  const problems = [...problemsOf(worker, now), ...untaken(worker, now)];
  if (problems.length > 0) lines.push("", heading("PROBLEM"), indent(problems.join("\n")));
  const advice = worker.triggers.flatMap(({ name, advice = [] }) => advice.map((one) => `${name}: ${one}`));
  if (advice.length > 0) lines.push("", heading("ADVICE"), indent(advice.join("\n")));
  lines.push("", `${heading("NEXT")}  ${next(worker)}`);
  return lines.join("\n");
}

function head(worker: WorkerSnapshot, now: number, paint: ReturnType<typeof painter>): readonly string[] {
  const { pool, decision, max, mode } = worker;
  const ready = worker.conditions.find(({ type }) => type === "Ready");
  const mark = {
    True: paint("green", "✔ Ready"),
    False: paint("red", `✖ ${ready?.reason}`),
    Unknown: paint("yellow", "… Starting"),
  };
  const size = pool === undefined ? "size not known" : `${pool.existing}${pool.leaving > 0 ? ` (+${pool.leaving} leaving)` : ""}`;
  const wanted = decision !== undefined && decision.to !== pool?.existing ? ` → ${decision.to}` : "";
  const since = worker.decidedAt === undefined ? "" : `   decided ${ageText(now - Date.parse(worker.decidedAt))} ago`;
  const observing = mode === "Observe" ? "   observes only, changes nothing" : "";
  return [
    `scaledworker/${worker.name} (${worker.namespace})  →  ${worker.target}`,
    `${mark[ready?.status ?? "Unknown"]}   ${size}${wanted} of max ${max}${since}${observing}`,
  ];
}

function triggers({ triggers: all, decision }: WorkerSnapshot, now: number): string {
  const rows = all.map((trigger, index) => {
    const view = decision?.triggers[index];
    const age = trigger.readAt === undefined ? "never" : ageOf(trigger, now);
    const wants = view?.wants === undefined ? "?" : String(view.wants);
    const reading =
      trigger.problem === undefined ? (trigger.reading ?? view?.reading ?? "not read yet") : `✖ ${trigger.problem.message}`;
    return [trigger.name, reading, age, trigger.goal, wants + (trigger.name === decision?.decides ? "  ◂ decides" : "")];
  });
  const whole = table(["TRIGGER", "READING", "AGE", "GOAL", "WANTS"], rows);
  if (whole.split("\n").every((line) => line.length <= widestTable)) return whole;
  const narrow = rows.map(([name = "", reading = "", age = "", , wants = ""]) => [name, reading, age, wants]);
  const goals = rows.map(([name, , , goal]) => `${name}: ${goal}`);
  return [table(["TRIGGER", "READING", "AGE", "WANTS"], narrow), ...goals].join("\n");
}

/** Since it was read; and since its numbers were taken, where that is long before. */
function ageOf({ readAt = "", sampledAt = readAt }: TriggerSnapshot, now: number): string {
  const read = Date.parse(readAt);
  return ageText(now - read) + countedText({ takenAt: Date.parse(sampledAt), readAt: read, now });
}

function lastHour({ changes }: WorkerSnapshot, now: number): string {
  const sizes = changes
    .filter(({ at, from, to }) => from !== to && now - Date.parse(at) < hourMs)
    // The same change over and over came to nothing, and was tried again: the newest tells of it.
    .filter(({ from, to }, index, all) => all[index - 1]?.from !== from || all[index - 1]?.to !== to)
    .slice(0, shownChanges);
  if (sizes.length === 0) return "no change of size";
  return sizes.map(({ at, from, to, reason }) => `${at.slice(11, 19)}  ${from} → ${to}  ${reason}`).join("\n");
}

function problemsOf({ triggers: all, trouble }: WorkerSnapshot, now: number): readonly string[] {
  const failing = all.flatMap(({ name, problem }: TriggerSnapshot) => {
    if (problem === undefined) return [];
    const since = ageText(now - Date.parse(problem.since));
    return [`${name}: ${problem.message} (${problem.kind}), ${problem.count} times in ${since}`];
  });
  return trouble === undefined ? failing : [...failing, `${trouble.reason}: ${trouble.message}`];
}

/** Workers that live and take nothing: what is told, and no fault of Worktide's own. */
function untaken({ untakenSince }: WorkerSnapshot, now: number): readonly string[] {
  const forMs = untakenSince === undefined ? 0 : now - Date.parse(untakenSince);
  if (forMs < untakenMs) return [];
  return [`workers take no jobs for ${ageText(forMs)}: are they connected to the same broker and queue?`];
}

/** The one thing to do first. */
function next({ namespace, name, triggers: all, trouble }: WorkerSnapshot): string {
  if (trouble?.reason === "CannotStart") return "mend `spec.target.process` in the file: an edit is taken up at once";
  if (trouble?.reason === "CrashLooping") {
    return "read the log of its workers: the output of `worktide run`, or logs/ in its state folder";
  }
  const failing = all.find(({ problem }) => problem !== undefined);
  switch (failing?.problem?.kind) {
    case undefined:
    case "internal":
      return `worktide history ${namespace === "default" ? name : `${namespace}/${name}`}`;
    case "missing":
      return `mend trigger ${failing?.name} in the file, or make what it names`;
    case "invalid":
      return `mend trigger ${failing?.name} in the file: what it names is of another kind`;
    default:
      return "worktide check --connect";
  }
}

function indent(text: string): string {
  return text
    .split("\n")
    .map((line) => `  ${line}`)
    .join("\n");
}
