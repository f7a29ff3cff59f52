import type { Reading } from "./contract.ts";
import type { Situation } from "./decision.ts";
import { checkReading } from "./reading.ts";
import { readingText } from "./words.ts";

/**
 * The situation within the bounds that hold now: a schedule may lower the maximum for a time, and the minimum and the idle
 * size with it. All rules then take it for the declared one. One that is not known lowers nothing.
 */
export function withinLimits(situation: Situation): Situation {
  const { rules, observations, now } = situation;
  let { max, because } = rules.replicas;
  for (const [index, { reading, sentAt = Number.NEGATIVE_INFINITY }] of observations.entries()) {
    const most = reading === undefined || now - sentAt > rules.staleAfterMs ? undefined : atMostOf(reading);
    if (reading === undefined || most === undefined || most >= max) continue;
    max = most;
    because = `${rules.triggers[index]?.name} ${readingText(reading)}`;
  }
  if (because === rules.replicas.because) return situation;
  const min = Math.min(rules.replicas.min, max);
  const idle = Math.min(rules.replicas.idle, min);
  return {
    ...situation,
    rules: { ...rules, replicas: { ...rules.replicas, min, max, idle, ...(because !== undefined && { because }) } },
  };
}

function atMostOf(reading: Reading): number | undefined {
  return reading.atMost === undefined || checkReading(reading) !== undefined ? undefined : reading.atMost;
}
