import { z } from "zod";
import { text } from "../src/api/fields.ts";
import type { ExternalReader } from "../src/brokers/external-client.ts";
import type { Scaler } from "../src/core/contract.ts";
import { readKeda, refOf } from "./external/keda.ts";
import { queryOf, readReadings } from "./external/readings.ts";

const query = z.strictObject({
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

/** What a scaler in another process tells. What it does not tell, or tells in no time, is not known: never zero. */
export const external: Scaler<Query, ExternalReader> = {
  type: "external",
  summary:
    "A scaler in another process, by gRPC: any external scaler that was written for KEDA, or one that tells whole readings.",
  broker: "external",
  query,
  everyMs: 5000,
  sight: ({ contract }) => ({ running: contract === "worktide", workers: contract === "worktide" }),

  async read(client, queries, signal) {
    const [keda, readings] = await Promise.all([
      readKeda(client, queries.filter(isKeda), signal),
      readReadings(
        client,
        queries.filter((query) => !isKeda(query)),
        signal,
      ),
    ]);
    const [ofKeda, ofReadings] = [keda.values(), readings.values()];
    return queries.map((query) => (isKeda(query) ? ofKeda : ofReadings).next().value ?? lost);
  },

  wake(client, query, hint) {
    if (isKeda(query)) return client.listen("StreamIsActive", refOf(query, client), hint);
    return client.listen("Watch", queryOf(query, client), hint);
  },
};

const isKeda = ({ contract }: Query) => contract === "keda";
const lost = { problem: { kind: "internal", message: "the answer was lost" } } as const;
