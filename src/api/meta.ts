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

export const clusterMetadata = z
  .strictObject({
    name: name().describe("Name, unique within its kind. Example: `shared`."),
    labels: labels("Labels"),
    annotations: labels("Annotations"),
  })
  .describe("Name.");

export const metadata = z
  .strictObject({
    name: name().describe("Name, unique within kind and namespace. Example: `mails`."),
    namespace: name().default("default").describe("Namespace; references stay within it. Example: `shop`."),
    labels: labels("Labels"),
    annotations: labels("Annotations", pauseMarks),
  })
  .describe("Name and namespace.");

/** A whole document of this kind. */
export const documentSchema = <K extends Kind, Metadata extends z.ZodType, Spec extends z.ZodType>(
  kind: K,
  metadata: Metadata,
  spec: Spec,
) =>
  z.strictObject({
    apiVersion: z.literal(apiVersion).describe("Version of this schema."),
    kind: z.literal(kind).describe("Kind of this document."),
    metadata,
    spec,
  });
