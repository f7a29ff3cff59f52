import type { ProblemKind } from "../core/contract.ts";

/** No two dials to one address are closer than this, ms. */
const floorMs = 100;
const capMs = 5_000;
/** A wrong password does not mend itself, and some servers lock the account. */
const authMs = 30_000;
/** Dials in an outage of length T are at most `free + T / paceMs`. */
const free = 8;
const paceMs = 2_500;

/** An outage so far. */
export type Outage = Readonly<{
  /** Attempts that failed, the loss of the connection among them; at least 1. */
  failures: number;
  /** Since the first of them, ms. */
  lastedMs: number;
  kind: ProblemKind;
}>;

/**
 * How long to wait before the next dial, ms: full jitter, so that many clients of one server do not come back
 * together, and a bound on the number of attempts that holds whatever the dice say.
 */
export function backoffMs({ failures, lastedMs, kind }: Outage, random: () => number): number {
  const cap = kind === "limit" ? 2 * capMs : capMs;
  const ceiling = Math.min(cap, 2 * floorMs * 2 ** Math.min(failures - 1, 20));
  const jittered = floorMs + random() * (ceiling - floorMs);
  const owed = (failures + 1 - free) * paceMs - lastedMs;
  const least = kind === "auth" ? authMs * (1 + random() / 5) : 0;
  return Math.max(jittered, owed, least);
}
