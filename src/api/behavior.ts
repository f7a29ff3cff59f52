import { z } from "zod";
import { duration } from "./duration.ts";
import { cel, complain, text, time, whole } from "./fields.ts";

/** The fields of a spec that bound a size and how fast it moves. */

const mostReplicas = 100_000;
const size = () => whole(0, mostReplicas);

export const replicas = z
  .strictObject({
    min: size().default(0).describe("Fewest replicas while there is anything to do. Example: `2`."),
    max: size().describe("Most replicas, ever. Example: `50`."),
    idle: size().optional().describe("Replicas while nothing is active; at most `min`. Default: `min`. Example: `0`."),
    hardMax: z
      .boolean()
      .default(false)
      .describe(
        "Whether workers that are leaving count towards `max` too: for what bears no more at once, such as a database. The pool then " +
          "grows only as they end. Example: `true`.",
      ),
  })
  .superRefine(({ min, max, idle }, context) => {
    if (min > max) complain(context, "min-above-max", ["min"], `must not be above \`max\`, which is ${max}`);
    if (idle !== undefined && idle > min)
      complain(context, "idle-above-min", ["idle"], `must not be above \`min\`, which is ${min}`);
  })
  .meta(
    cel(
      { rule: "self.min <= self.max", message: "`min` must not be above `max`" },
      { rule: "!has(self.idle) || self.idle <= self.min", message: "`idle` must not be above `min`" },
    ),
  );

export const scaleDown = z.strictObject({
  protect: z
    .enum(["busy", "grace"])
    .default("busy")
    .describe(
      "`busy`: only workers that are proven idle go. `grace`: any may go, and the stop grace lets it finish. Example: `grace`.",
    ),
  cooldown: duration({ min: "0s", max: "24h" })
    .prefault("60s")
    .describe("How long nothing must have been active before the pool goes to its idle size. Example: `5m`."),
});

const policy = z.strictObject({
  type: z
    .enum(["Pods", "Percent"])
    .describe("Unit of `value`: replicas, or percent of the size at the begin of the period. Example: `Pods`."),
  value: whole(1, mostReplicas).describe("Largest change within the period. Example: `4`."),
  periodSeconds: whole(1, 1800).describe("Length of the period, seconds. Example: `60`."),
});

/** One direction; our defaults differ from the HPA's: see the descriptions. */
function direction(windowSeconds: number) {
  return z.strictObject({
    stabilizationWindowSeconds: whole(0, 3600)
      .default(windowSeconds)
      .describe("For so many seconds an earlier, more careful wish still counts. Example: `300`."),
    selectPolicy: z
      .enum(["Max", "Min", "Disabled"])
      .default("Max")
      .describe("Which policy counts: the one that allows most, least, or no change in this direction at all. Example: `Min`."),
    policies: z.array(policy).max(16).default([]).describe("Step limits. None: no limit."),
    tolerance: z
      .number()
      .min(0)
      .max(1)
      .default(0)
      .describe("Share of the present size that a change must reach. Example: `0.1`."),
  });
}

export const behavior = z.strictObject({
  scaleUp: direction(0).prefault({}).describe("Growing."),
  scaleDown: direction(60).prefault({}).describe("Shrinking."),
});

export const fallback = z.strictObject({
  afterFailures: whole(1, 1000).default(3).describe("Failed reads in a row before it counts. Example: `5`."),
  replicas: size().describe("The size then; it raises and never lowers. At most `replicas.max`. Example: `5`."),
});

export const pause = z.strictObject({
  directions: z.enum(["Both", "Up", "Down"]).default("Both").describe("Which changes are held. Example: `Down`."),
  reason: text(256, 0).default("").describe("Why, and who: shown wherever the pause is. Example: `database move, ann`."),
  until: time().optional().describe("When it ends by itself. Default: never. Example: `2026-12-24T18:00:00Z`."),
});
