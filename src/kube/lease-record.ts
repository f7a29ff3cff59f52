import type { Kind, KubeObject } from "./kube.ts";

export const leaseKind: Kind = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", plural: "leases", namespaced: true };

/** Times are wall clock, for people: nobody judges by those of another machine. */
export type LeaseSpec = Readonly<{
  /** Absent or empty: nobody holds it. */
  holderIdentity?: string;
  leaseDurationSeconds?: number;
  acquireTime?: string;
  renewTime?: string;
  leaseTransitions?: number;
}>;

export type LeaseObject = KubeObject & Readonly<{ spec?: LeaseSpec }>;

/** RFC 3339 with exactly six digits, as MicroTime is parsed. */
export const microTime = (): string => new Date().toISOString().replace("Z", "000Z");

/** The spec by which `holder` takes it: a new term, after the newest one that is known; undefined: there was none. */
export function takenSpec(newest: number | undefined, holder: string, durationMs: number): LeaseSpec {
  const now = microTime();
  return {
    holderIdentity: holder,
    leaseDurationSeconds: Math.ceil(durationMs / 1_000),
    acquireTime: now,
    renewTime: now,
    leaseTransitions: newest === undefined ? 0 : newest + 1,
  };
}

/** The spec by which it is given away: who waits for it need not wait for its end. */
export const releasedSpec = (spec: LeaseSpec | undefined): LeaseSpec => ({
  ...spec,
  holderIdentity: "",
  leaseDurationSeconds: 1,
  renewTime: microTime(),
});
