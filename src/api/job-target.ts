import { z } from "zod";
import { duration } from "./duration.ts";
import { text, whole } from "./fields.ts";
import { labels } from "./meta.ts";

const container = z.looseObject({
  name: text(63).describe("Name of the container. Example: `worker`."),
});

const podSpec = z
  .looseObject({
    restartPolicy: z
      .enum(["Never", "OnFailure"])
      .describe("What happens to a container that fails: a Job knows no `Always`. Example: `Never`."),
    containers: z.array(container).min(1).max(64).describe("Containers of the pod."),
  })
  .describe("Spec of the pod, as Kubernetes knows it.");

/** The shape of batch/v1, as far as it must be known here; the API server checks the rest when a Job is made. */
const jobSpec = z.looseObject({
  parallelism: whole(1, 1).optional().describe("Pods of one Job at once: one, for one Job is one replica. Example: `1`."),
  completions: whole(1, 1).optional().describe("Pods of one Job that must succeed: one. Example: `1`."),
  template: z
    .looseObject({ metadata: marks().optional(), spec: podSpec })
    .describe("Template of the pod, as Kubernetes knows it."),
});

function marks() {
  return z
    .looseObject({ labels: labels("Labels"), annotations: labels("Annotations") })
    .describe("Labels and annotations that it gets.");
}

const backoff = z.strictObject({
  afterFailures: whole(1, 100).default(3).describe("Jobs that must have failed in a row before it waits. Example: `5`."),
  initial: duration({ min: "1s", max: "1h" })
    .prefault("10s")
    .describe("How long it then makes no Job; twice as long after each further failure. Example: `30s`."),
  max: duration({ min: "1s", max: "24h" }).prefault("5m").describe("The longest that it waits. Example: `10m`."),
});

/** Jobs of Kubernetes: one replica is one Job. */
export const jobTarget = z.strictObject({
  template: z
    .strictObject({ metadata: marks().optional(), spec: jobSpec.describe("Spec of the Job, as batch/v1 knows it.") })
    .describe("Template of each Job, as in a CronJob. A change of it concerns new Jobs only."),
  takes: z
    .enum(["One", "Many"])
    .default("One")
    .describe(
      "`One`: a pod takes one job from the queue, and ends with it. `Many`: it takes one after the other, and ends by itself when " +
        "none is left. Example: `Many`.",
    ),
  onTemplateChange: z
    .enum(["Keep", "Replace"])
    .default("Keep")
    .describe(
      "What happens to running Jobs when `template` changes. `Keep`: they go on to their end. `Replace`: they are removed, and " +
        "what they have in hand goes back to the queue, if the queue does that. Example: `Replace`.",
    ),
  successfulJobsHistoryLimit: whole(0, 1000).default(3).describe("Finished Jobs that are kept to be looked at. Example: `0`."),
  failedJobsHistoryLimit: whole(0, 1000).default(3).describe("Failed Jobs that are kept to be looked at. Example: `10`."),
  backoff: backoff.prefault({}).describe("How it slows down while Jobs fail one after the other."),
});
