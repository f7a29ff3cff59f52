import { z } from "zod";
import { text } from "../../src/api/fields.ts";

/** What a trigger tells the other process, and by which contract. */
export const query = z.strictObject({
  contract: z
    .enum(["keda", "worktide"])
    .default("keda")
    .describe(
      "What it speaks: KEDA's `externalscaler.proto`, or Worktide's `readings.proto`, which also tells what runs. Example: `keda`.",
    ),
  metadata: z
    .record(text(253), text(8192, 0))
    .default({})
    .describe("What it is to measure, in its own words; KEDA's `metadata`. Example: `{ queue: mails }`."),
  metric: text(253)
    .optional()
    .describe("With `keda`: which of its metrics counts, where it has several. Example: `queue-length`."),
  name: text(253)
    .optional()
    .describe("With `keda`: name of the ScaledObject that it is told; absent: one made from `metadata`. Example: `mails`."),
  namespace: text(253).optional().describe("With `keda`: namespace that it is told. Example: `shop`."),
});
export type Query = z.output<typeof query>;
