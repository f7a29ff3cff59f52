import assert from "node:assert/strict";
import { monotonicMs } from "../../src/brokers/clock.ts";
import type { Reading, Result } from "../../src/core/contract.ts";

/** Asks, and gives the reading that must come, with its time as whoever reads it takes it. */
export async function readingOf(ask: () => Promise<Result | undefined>): Promise<Reading> {
  const sampledAt = monotonicMs();
  const result = await ask();
  assert.ok(result && "reading" in result, JSON.stringify(result));
  return { sampledAt, ...result.reading };
}
