import type { Rules } from "../core/spec.ts";
import type { Complaint } from "./finding.ts";
import type { RuleId } from "./rules.ts";
import { textOf } from "./tree.ts";

type Directions = NonNullable<Rules["pause"]>["directions"];

/** A wish that the size be held still. */
export type Pause = Readonly<{
  directions: Directions;
  reason: string;
  /** When it ends by itself: wall clock, ms since 1970. Absent: never. */
  until?: number;
}>;

/** What several pauses hold together, as the rules take it; undefined without any. */
export function joined(pauses: readonly Pause[]): Rules["pause"] {
  const [first] = pauses;
  if (first === undefined) return undefined;
  const directions = pauses.every((pause) => pause.directions === first.directions) ? first.directions : "Both";
  const reasons = pauses.map(({ reason }) => reason).filter((reason) => reason !== "");
  return { directions, reason: reasons.join("; ") };
}

/** The annotations that pause a ScaledWorker, for people in a hurry and for tools: beside `spec.pause`, not instead. */
const pauseAnnotations = {
  paused: "worktide.dev/paused",
  until: "worktide.dev/paused-until",
  reason: "worktide.dev/paused-reason",
} as const;
const ours = "worktide.dev/";
const all: readonly string[] = Object.values(pauseAnnotations);

const directionsOf = new Map<string, Directions | "None">([
  ["true", "Both"],
  ["yes", "Both"],
  ["on", "Both"],
  ["all", "Both"],
  ["both", "Both"],
  ["up", "Up"],
  ["down", "Down"],
  ["false", "None"],
  ["no", "None"],
  ["off", "None"],
]);

const longestReason = 256;

/** An RFC 3339 time. */
const time = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/;

/**
 * What the annotations ask for, and what is wrong with them. A wish that cannot be read is an error, and of a ScaledWorker
 * with an error the spec before stays in force. A wish whose end cannot be read holds without one: whoever pauses in a
 * hurry is not to see the pool go on.
 */
export function annotatedPause(
  annotations: Readonly<Record<string, unknown>> = {},
): Readonly<{ pause?: Pause; complaints: readonly Complaint[] }> {
  const { paused, until, reason } = pauseAnnotations;
  const [asked, end, why] = [annotations[paused], annotations[until], annotations[reason]];
  const directions = asked === undefined ? "None" : directionsOf.get(textOf(asked).toLowerCase());
  const complaints: Complaint[] = [];
  const tell = (rule: RuleId, key: string, says: string, severity?: "warning") =>
    complaints.push({
      ...{ rule, message: `annotation \`${key}\` ${says}`, path: ["metadata", "annotations", key] },
      ...(severity && { severity }),
    });
  if (directions === undefined) tell("pause-annotation", paused, "must be one of 'true', 'up', 'down', 'false'");
  const endMs = time.test(textOf(end ?? "")) ? Date.parse(textOf(end)) : Number.NaN;
  const isEndless = Number.isNaN(endMs);
  if (asked === undefined && end !== undefined) tell("pause-annotation", until, `must stand beside \`${paused}\``);
  else if (isEndless && end !== undefined) {
    tell("pause-end", until, "must be a time such as '2026-12-24T18:00:00Z'; as it stands, the pause has no end", "warning");
  }
  for (const key of Object.keys(annotations)) {
    if (!key.startsWith(ours) || all.includes(key)) continue;
    tell("unknown-annotation", key, `must be one of \`${all.join("`, `")}\`: this one does nothing`, "warning");
  }
  if (directions === undefined || directions === "None") return { complaints };
  const told = why === undefined || why === "" ? `annotation ${paused}` : textOf(why).slice(0, longestReason);
  return { complaints, pause: { directions, reason: told, ...(isEndless ? {} : { until: endMs }) } };
}
