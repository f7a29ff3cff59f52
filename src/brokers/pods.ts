import { z } from "zod";
import { name } from "../api/fields.ts";
import { type Broker, BrokerError, type Problem, type Session } from "../core/contract.ts";

/** `metav1.LabelSelector`. All of its conditions must hold. */
export type PodSelector = Readonly<{
  matchLabels?: Readonly<Record<string, string>> | undefined;
  matchExpressions?: readonly Readonly<{ key: string; operator: string; values?: readonly string[] | undefined }>[] | undefined;
}>;

/** Pods that are neither over nor leaving, and how many of them are ready. `sampledAt`: monotonic ms. */
export type PodCount = Readonly<{ pods: number; ready: number; sampledAt: number }>;

/** The pods of one namespace. */
export interface PodReader {
  /** Those that a selector means, or why that is not known. */
  count(selector: PodSelector): PodCount | Problem;
  /** Calls `changed` after each change of theirs, until what it returns is disposed of. */
  follow(selector: PodSelector, changed: () => void): Disposable;
}

export type PodsPlace = Readonly<{ namespace: string }>;

/**
 * The pods of the namespace that a ScaledWorker is in.
 *
 * @param open How to see them; without it there is no cluster, and every dial says so.
 */
export function podsBroker(open?: (place: PodsPlace) => Session<PodReader>): Broker<PodReader, PodsPlace> {
  return {
    type: "pods",
    summary: "The pods of the cluster that Worktide runs in.",
    settings: z.strictObject({ namespace: name().describe("Namespace of the pods. Example: `shop`.") }),
    address: ({ namespace }) => `pods of ${namespace}`,
    async open(place) {
      if (open !== undefined) return open(place);
      const message = "pods are counted by `worktide controller` in a cluster only";
      throw new BrokerError({ kind: "connection", message });
    },
    inherent: (namespace) => ({ namespace }),
  };
}
