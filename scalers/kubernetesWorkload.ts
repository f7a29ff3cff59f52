import type { z } from "zod";
import type { PodReader } from "../src/brokers/pods.ts";
import type { Result, Scaler } from "../src/core/contract.ts";
import { query } from "./kubernetesWorkload/query.ts";

type Query = z.output<typeof query>;

/** Replicas in proportion to the pods of something else. */
export const kubernetesWorkload: Scaler<Query, PodReader> = {
  type: "kubernetesWorkload",
  summary: "In proportion to the pods that a label selector means: so many replicas for each of them.",
  broker: "pods",
  query,
  everyMs: 10_000,
  wants: true,
  sight: () => ({ running: false, workers: false }),

  async read(client, queries, signal) {
    signal.throwIfAborted();
    return queries.map((query) => toResult(client, query));
  },

  wake: (client, { selector }, hint) => client.follow(selector, hint),
};

function toResult(client: PodReader, { selector, count, podsPerReplica }: Query): Result {
  const counted = client.count(selector);
  if ("kind" in counted) return { problem: counted };
  const pods = count === "Ready" ? counted.ready : counted.pods;
  const said = `${pods} ${count === "Ready" ? "ready " : ""}${pods === 1 ? "pod" : "pods"}, ${podsPerReplica} for each`;
  // Quotients of doubles carry dust: 3.0000000000000004 replicas are 3.
  const wants = Math.max(0, Math.ceil(pods / podsPerReplica - 1e-9));
  return { reading: { wants, wantsReason: said, sampledAt: counted.sampledAt } };
}
