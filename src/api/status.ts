import { z } from "zod";
import { name, text, time, whole } from "./fields.ts";

/** A condition as Kubernetes has them (`metav1.Condition`), with its limits. */
const condition = z.strictObject({
  type: text(316)
    .regex(/^[A-Za-z][A-Za-z0-9]*$/)
    .describe("What the condition tells of. Example: `Ready`."),
  status: z.enum(["True", "False", "Unknown"]).describe("Whether it is so. Example: `True`."),
  reason: text(1024)
    .regex(/^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$/)
    .describe("Why, as one word of a closed list. Example: `Working`."),
  message: text(32_768, 0).describe("Why, as a sentence for people. Example: `trigger mails: connection refused`."),
  lastTransitionTime: time().describe(
    "When `status` last changed; other fields do not move it. Example: `2026-12-24T18:00:00Z`.",
  ),
  observedGeneration: whole(0, 2 ** 31 - 1)
    .optional()
    .describe("`metadata.generation` that the condition speaks of. Example: `3`."),
});

const shared = {
  observedGeneration: whole(0, 2 ** 31 - 1)
    .optional()
    .describe("`metadata.generation` that this status speaks of. Example: `3`."),
  conditions: z
    .array(condition)
    .max(16)
    .meta({ listType: "map", listKeys: ["type"] })
    .optional()
    .describe("Conditions, one of each `type`."),
};

const size = () => whole(0, 100_000).optional();

const trigger = z.strictObject({
  name: name().describe("Name of the trigger, as in `spec.triggers`. Example: `mails`."),
  type: text(63).describe("Its scaler. Example: `bullmq`."),
  state: z
    .enum(["Fresh", "Stale", "Unknown"])
    .describe(
      "`Fresh`: read in time. `Stale`: it fails, and its last good reading is held. `Unknown`: never read. Example: `Fresh`.",
    ),
  message: text(1024, 0).optional().describe("What is wrong with it. Example: `connection refused`."),
});

const lastDecision = z.strictObject({
  id: text(63).describe("Its id, for `worktide explain` and the logs. Example: `8f3a`."),
  time: time().optional().describe("When it changed the size. Example: `2026-12-24T18:00:00Z`."),
  from: whole(0, 100_000).describe("Replicas before. Example: `4`."),
  to: whole(0, 100_000).describe("Replicas after. Example: `9`."),
  reason: text(63).describe("The rule that set the number. Example: `WorkWaiting`."),
  message: text(1024, 0).describe("The chain of reasons in one sentence. Example: `430 waiting, 50 for each replica`."),
});

/** What the controller tells of a ScaledWorker. It is written on changes only: numbers that move all the time are metrics. */
export const scaledWorkerStatus = z.strictObject({
  ...shared,
  target: text(320).optional().describe("Name of what is scaled, as `kubectl get` shows it. Example: `mails`."),
  replicas: size().describe("Replicas that the target has; of `job`, Jobs that have not ended. Example: `4`."),
  desired: size().describe("Replicas that the last decision asked for. Example: `9`."),
  reason: text(63)
    .optional()
    .describe("The most telling reason of all conditions, as `kubectl get` shows it. Example: `AtMaximum`."),
  triggers: z
    .array(trigger)
    .max(64)
    .meta({ listType: "map", listKeys: ["name"] })
    .optional()
    .describe("The triggers, one of each `name`."),
  lastScaleTime: time().optional().describe("When the size was last changed. Example: `2026-12-24T18:00:00Z`."),
  lastDecision: lastDecision.optional().describe("The last decision that changed the size."),
  size: z
    .strictObject({
      uid: text(128).optional().describe("`metadata.uid` of the target: another one of its name has another size."),
      replicas: whole(0, 100_000).describe("Replicas asked of the target, by anyone. Example: `4`."),
      zeroBy: text(316).optional().describe("Who set it to zero, while it is: then it is left there. Example: `kubectl`."),
      original: size().describe("Replicas when it was first seen: what `onDelete: Restore` gives back. Example: `3`."),
    })
    .optional()
    .describe("The size of the target when it was last seen: a controller that starts tells by it who changed it since."),
});

/** What the controller tells of a QueueConnection or ClusterQueueConnection. */
export const queueConnectionStatus = z.strictObject({
  ...shared,
  type: text(63).optional().describe("The broker that it leads to. Example: `redis`."),
  users: whole(0, 1_000_000).optional().describe("ScaledWorkers that use it. Example: `12`."),
});

export type StatusCondition = z.output<typeof condition>;
export type ScaledWorkerStatus = z.output<typeof scaledWorkerStatus>;
export type QueueConnectionStatus = z.output<typeof queueConnectionStatus>;

/** Types of conditions, in the order in which they stand in the status. Closed: part of the API. */
export const workerConditions = ["Ready", "Active", "ReadingsFresh", "ScalingLimited", "Paused"] as const;
