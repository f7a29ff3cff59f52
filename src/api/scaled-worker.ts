import { z } from "zod";
import type { AnyBroker, AnyScaler } from "../core/contract.ts";
import { behavior, fallback, pause, replicas, scaleDown } from "./behavior.ts";
import { duration } from "./duration.ts";
import { cel, clusterOnly, complain, text, whole } from "./fields.ts";
import { documentSchema, metadata } from "./meta.ts";
import { target } from "./target.ts";
import { trigger } from "./trigger.ts";

/** Everything but the triggers, whose shape depends on the scalers. */
const specFields = {
  target: target.describe("What is scaled."),
  replicas: replicas.describe("Bounds of the size."),
  formula: text(1024)
    .optional()
    .describe(
      "Replicas, in CEL over the triggers by name (dashes as underscores), each being the replicas that it wants, in place of the " +
        "largest. Example: `max(mails, reports / 2.0)`.",
    ),
  concurrency: whole(1, 10_000).default(1).describe("Jobs that one replica works on at once. Example: `4`."),
  scaleDown: scaleDown.prefault({}).describe("How the pool shrinks."),
  behavior: behavior
    .prefault({})
    .describe("Step limits and windows per direction: shape and meaning of the HPA (autoscaling/v2)."),
  fallback: fallback.optional().describe("The size while a trigger cannot be read. Without it: the present size is held."),
  staleAfter: duration({ min: "1s", max: "24h" })
    .prefault("60s")
    .describe("A last good reading older than this no longer asks for replicas. Example: `2m`."),
  mode: z
    .enum(["Scale", "Observe"])
    .default("Scale")
    .describe("`Observe` decides and explains, and changes nothing. Example: `Observe`."),
  pause: pause
    .optional()
    .describe("Holds the size still. The annotations `worktide.dev/paused`, `…/paused-until` and `…/paused-reason` do the same."),
  onDelete: z
    .enum(["Keep", "Restore"])
    .default("Keep")
    .meta(clusterOnly("leave it out"))
    .describe(
      "What happens to the target when this ScaledWorker is deleted. `Keep`: it keeps its size. `Restore`: it gets the size back that " +
        "it had when it was first seen, for which this ScaledWorker carries a finalizer. Not for `job`. Example: `Restore`.",
    ),
};

/** The whole document, for these scalers and brokers. */
export function scaledWorkerSchema(scalers: readonly AnyScaler[], brokers: readonly AnyBroker[]) {
  const { target, replicas, ...rest } = specFields;
  const triggers = z
    .array(trigger(scalers, brokers))
    .min(1)
    .max(64)
    .superRefine(uniqueNames)
    .meta({ listType: "map", listKeys: ["name"] })
    .describe("Queues that it works for; the largest demand counts, or what `formula` says. Names are unique.");
  const spec = z
    .strictObject({ target, replicas, triggers, ...rest })
    .meta(
      cel(
        {
          rule: "!has(self.fallback) || self.fallback.replicas <= self.replicas.max",
          message: "`fallback.replicas` must not be above `replicas.max`",
        },
        { rule: "self.onDelete != 'Restore' || !has(self.target.job)", message: "`onDelete` must be 'Keep' with `target.job`" },
      ),
    )
    .describe("One pool of workers and the rules by which it is sized.");
  return documentSchema("ScaledWorker", metadata, spec);
}

function uniqueNames(triggers: readonly { name: string }[], context: z.RefinementCtx): void {
  triggers.forEach(({ name }, index) => {
    const first = triggers.findIndex((trigger) => trigger.name === name);
    if (first === index || name === undefined) return;
    complain(context, "duplicate-trigger", [index, "name"], `must be unique: \`triggers[${first}]\` has the name '${name}' too`);
  });
}

export type ScaledWorkerDocument = z.output<ReturnType<typeof scaledWorkerSchema>>;
export type ScaledWorkerSpec = ScaledWorkerDocument["spec"];
