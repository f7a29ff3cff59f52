import { z } from "zod";
import { cel } from "./fields.ts";

const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;
type Unit = keyof typeof unitMs;

/** One or more numbers with a unit, without spaces: "30s", "1h30m", "1.5s", "250ms". */
const durationPattern = /^(\d+(\.\d+)?(ms|s|m|h))+$/;

/** Milliseconds of a duration such as "1h30m"; undefined when it is not one. */
export function parseDuration(text: string): number | undefined {
  if (!durationPattern.test(text)) return undefined;
  let sum = 0;
  for (const [, count, , unit] of text.matchAll(/(\d+(\.\d+)?)(ms|s|m|h)/g)) sum += Number(count) * unitMs[unit as Unit];
  return sum;
}

/** A duration as a person would write it in the file: 90000 → "1m30s". Fractions of a millisecond are dropped. */
export function formatDuration(ms: number): string {
  let rest = Math.round(ms);
  if (rest <= 0) return "0s";
  let text = "";
  for (const unit of ["h", "m", "s", "ms"] as const) {
    const count = Math.floor(rest / unitMs[unit]);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * unitMs[unit];
  }
  return text;
}

/** A duration field; its value after parsing is in milliseconds. The bounds are durations too and belong to the range. */
export function duration(bounds: Readonly<{ min: string; max: string }>) {
  const minMs = parseDuration(bounds.min) ?? 0;
  const maxMs = parseDuration(bounds.max) ?? Number.POSITIVE_INFINITY;
  const must = `must be a duration from ${bounds.min} to ${bounds.max}, such as '30s', '1m30s' or '500ms'`;
  const within = (text: string) => {
    const ms = parseDuration(text);
    return ms === undefined || (ms >= minMs && ms <= maxMs); // the pattern has its own say on what is no duration
  };
  return z
    .string()
    .max(32)
    .regex(durationPattern)
    .refine(within, { error: must })
    .meta({
      must,
      ...cel({
        rule: `duration(self) >= duration('${bounds.min}') && duration(self) <= duration('${bounds.max}')`,
        message: must,
      }),
    })
    .transform((text) => parseDuration(text) ?? 0);
}
