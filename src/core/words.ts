import type { Reading } from "./contract.ts";
import { backlog } from "./reading.ts";

/** How numbers are said to people. */

/** A duration: "250 ms", "2.1 s", "41 s", "4 min", "1.5 h". */
export function span(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 100) return `${brief(seconds)} s`;
  if (seconds < 6000) return `${brief(seconds / 60)} min`;
  return `${brief(seconds / 3600)} h`;
}

function brief(value: number): string {
  return value < 10 ? String(Math.round(value * 10) / 10) : String(Math.round(value));
}

export function plural(n: number, noun: string): string {
  return n === 1 ? `1 ${noun}` : `${n} ${noun}s`;
}

/** "a", "a and b", "a, b and 3 more". */
export function list(names: readonly string[]): string {
  if (names.length <= 2) return names.join(" and ");
  return `${names[0]}, ${names[1]} and ${names.length - 2} more`;
}

/** The reading in words: "430 waiting, 4 running, oldest 41 s". */
export function readingText(reading: Reading): string {
  if (reading.wants !== undefined) return wantsText(reading, reading.wants);
  const said: string[] = [];
  const waiting = backlog(reading);
  if (reading.waiting !== undefined) said.push(waiting === 0 ? "empty" : `${waiting} waiting`);
  if (reading.running) said.push(`${reading.running} running`);
  if (reading.reserved) said.push(`${reading.reserved} fetched ahead`);
  if (reading.oldestMs !== undefined && reading.oldestMs >= 0.5 && waiting > 0) {
    said.push(`oldest ${reading.oldestIsLeast ? "at least " : ""}${span(reading.oldestMs)}`);
  }
  if (reading.ceiling === 0) said.push(reading.ceilingReason ?? "none may run");
  return said.length === 0 ? "nothing counted" : said.join(", ");
}

/** "asks for 3 until 18:00 Europe/Berlin, then none", "allows 5 at most", "asks for 3 (12 pods, 4 for each)". */
function wantsText({ atMost, wantsReason, until }: Reading, wants: number): string {
  const said: string[] = [];
  if (wants > 0 || atMost === undefined) said.push(`asks for ${wants === 0 ? "none" : wants}`);
  if (atMost !== undefined) said.push(`allows ${atMost === 0 ? "none" : `${atMost} at most`}`);
  const why = wantsReason === undefined ? "" : ` (${wantsReason})`;
  return `${said.join(", ")}${why}${until === undefined ? "" : ` until ${until}`}`;
}
