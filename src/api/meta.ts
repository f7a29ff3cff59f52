import { z } from "zod";
import { name, text } from "./fields.ts";

export const apiVersion = "worktide.dev/v1alpha1";
export const kinds = ["QueueConnection", "ClusterQueueConnection", "ScaledWorker"] as const;
export type Kind = (typeof kinds)[number];

/** Labels or annotations. */
export const labels = (what: string, use = "for people and tools; not used by Worktide") =>
  z.record(text(317), text(262_144, 0)).optional().describe(`${what}, ${use}.`);

const pauseMarks =
  "for people and tools; `worktide.dev/paused` (`true`, `up`, `down`) holds the size still, and its kin say until when and why";

export const clusterMetadata = z.strictObject({
  name: name().describe("Name, unique within its kind. Example: `shared`."),
  labels: labels("Labels"),
  annotations: labels("Annotations"),
});

export const metadata = z.strictObject({
  name: name().describe("Name, unique within kind and namespace. Example: `mails`."),
  namespace: name().default("default").describe("Namespace; references stay within it. Example: `shop`."),
  labels: labels("Labels"),
  annotations: labels("Annotations", pauseMarks),
});

/** When a complaint of a check is dropped because another one of the same document already says it. */
export type Mute = Readonly<{
  /** The object at the check's own path has an unknown key. */
  unlessUnknown?: boolean;
  /** One of these keys of that object is invalid itself. */
  unlessInvalid?: readonly string[];
}>;

/** One complaint of a check over several fields; `message` begins with "must". */
export function complain(context: z.RefinementCtx, rule: string, path: PropertyKey[], message: string, mute: Mute = {}): void {
  context.addIssue({ code: "custom", path, message, params: { rule, ...mute } });
}
