import type { ExternalReader } from "../src/brokers/external-client.ts";
import type { Scaler } from "../src/core/contract.ts";
import { readKeda, refOf } from "./external/keda.ts";
import { type Query, query } from "./external/query.ts";
import { queryOf, readReadings } from "./external/readings.ts";

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
