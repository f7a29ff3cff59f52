import { z } from "zod";
import type { Goal } from "../core/spec.ts";
import { duration } from "./duration.ts";
import { cel, complain, exactlyOne, foundText, whole } from "./fields.ts";

const kinds = ["waitingPerReplica", "jobsPerReplica", "startWithin", "drainWithin"] as const;
const jobs = () => whole(1, 1_000_000_000).optional();
const time = () => duration({ min: "1ms", max: "168h" }).optional();

const assume = z.strictObject({
  serviceTime: duration({ min: "1ms", max: "168h" })
    .optional()
    .describe("How long one job takes, used while nothing is measured. Example: `2s`."),
  arrivalRate: z
    .number()
    .min(0)
    .max(1_000_000)
    .optional()
    .describe("Jobs that arrive per second, used while nothing is measured. Example: `3`."),
});

export const goal = z
  .strictObject({
    waitingPerReplica: jobs().describe("So many waiting jobs for each replica. Example: `20`."),
    jobsPerReplica: jobs().describe("So many jobs, waiting and running, for each replica. Example: `4`."),
    startWithin: time().describe("A job that arrives begins within this time. Example: `30s`."),
    drainWithin: time().describe("What waits now is done within this time. Example: `10m`."),
    assume: assume.optional().describe("Figures for `startWithin` and `drainWithin` where none can be measured."),
  })
  .superRefine((value, context) => {
    const given = kinds.filter((kind) => value[kind] !== undefined);
    if (given.length !== 1) {
      const message = `${exactlyOne(kinds).message}; ${foundText(given)}`;
      complain(context, "one-goal", given[1] ? [given[1]] : [], message, { unlessUnknown: true, unlessInvalid: kinds });
      return;
    }
    const timed = given[0] === "startWithin" || given[0] === "drainWithin";
    if (value.assume && !timed) {
      complain(context, "assume-without-time", ["assume"], "must stand beside `startWithin` or `drainWithin` only");
    }
  })
  .meta(
    cel(exactlyOne(kinds), {
      rule: "!has(self.assume) || has(self.startWithin) || has(self.drainWithin)",
      message: "`assume` must stand beside `startWithin` or `drainWithin` only",
    }),
  );

/** The goal as the rules take it. */
export function goalOf(spec: z.output<typeof goal> | undefined): Goal {
  if (spec === undefined) return { kind: "wants" };
  if (spec.waitingPerReplica !== undefined) return { kind: "waitingPerReplica", jobs: spec.waitingPerReplica };
  if (spec.jobsPerReplica !== undefined) return { kind: "jobsPerReplica", jobs: spec.jobsPerReplica };
  const { serviceTime, arrivalRate } = spec.assume ?? {};
  const hints = {
    ...(serviceTime === undefined ? {} : { serviceMs: serviceTime }),
    ...(arrivalRate === undefined ? {} : { perSecond: arrivalRate }),
  };
  if (spec.startWithin !== undefined) return { kind: "startWithin", ms: spec.startWithin, ...hints };
  if (spec.drainWithin !== undefined) return { kind: "drainWithin", ms: spec.drainWithin, ...hints };
  throw new Error("a goal without any of its kinds passed the schema");
}
