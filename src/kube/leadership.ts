import type { Fence, Kube, OwnerReference } from "./kube.ts";

export type LeaseOptions = Readonly<{
  kube: Kube;
  namespace: string;
  name: string;
  /** Of this process, for people: the name of its pod. Something random is added, so that no two are the same. */
  identity: string;
  /** What the Lease goes with, where we make it. */
  owner?: OwnerReference | undefined;
  /** How long a leader that says nothing remains one, ms. Default 15,000; at least 5,000 in production. */
  durationMs?: number;
  /** Monotonic ms. */
  clock?: () => number;
  onProblem?: (error: unknown) => void;
  /** Resolves when none of our writes is on its way: waited for, half a second at most, before the Lease is given away. */
  settle?: () => Promise<unknown>;
}>;

/**
 * Leadership among replicas. Disposing gives it away at once. It never ends the process: a leader that cannot renew stops
 * being one in time, keeps everything warm, and goes on trying.
 */
export interface Leadership extends AsyncDisposable {
  readonly identity: string;
  /** At this very moment, by the monotonic clock: also in a process that was stopped and goes on. */
  isLeader(): boolean;
  /** How long a write may still be on its way: for `fence` of every write. */
  readonly fence: Fence;
  /** Ever-growing number of this term: `leaseTransitions`. Undefined when not leading. */
  term(): number | undefined;
  /** Who holds it as far as is known. */
  holder(): string | undefined;
  onChange(listener: (leading: boolean) => void): () => void;
}
