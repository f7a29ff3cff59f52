import type { Sample } from "../../src/core/contract.ts";
import { type Asked, askedAt, nextEdge, type Window } from "./windows.ts";

/** What a schedule asks for, and the times (ms since 1970) that it holds from and, so far as is known, to. */
export type Span = Readonly<{ from: number; to: number; reading: Sample }>;

/** Edges that change nothing are passed over, up to so many at once. */
const mostEdges = 100;

/** What it asks for at that moment, and for how long. */
export function spanAt(windows: readonly Window[], timezone: string, at: number): Span {
  const asked = askedAt(windows, at);
  let edge = nextEdge(windows, at);
  for (let seen = 1; edge !== undefined; seen++) {
    const then = askedAt(windows, edge);
    if (then.wants !== asked.wants || then.atMost !== asked.atMost) {
      const until = `${momentText(edge, at, timezone)}, then ${askedText(then, asked)}`;
      return { from: at, to: edge, reading: { ...asked, until } };
    }
    if (seen === mostEdges) break;
    edge = nextEdge(windows, edge);
  }
  return { from: at, to: edge ?? Number.POSITIVE_INFINITY, reading: asked };
}

/** What differs: "3", "none", "at most 5", "as many as there may be". */
function askedText(then: Asked, now: Asked): string {
  const said: string[] = [];
  if (then.wants !== now.wants) said.push(then.wants === 0 ? "none" : String(then.wants));
  if (then.atMost !== now.atMost) said.push(then.atMost === undefined ? "no limit" : `at most ${then.atMost}`);
  return said.join(" and ");
}

const dayMs = 86_400_000;

/** "18:00 Europe/Berlin", "Mon 08:00 Europe/Berlin", "2026-12-24 08:00 Europe/Berlin". */
function momentText(at: number, now: number, timezone: string): string {
  const [there, here] = [partsOf(at, timezone), partsOf(now, timezone)];
  const far = at - now > 6 * dayMs;
  const day = far ? `${there.date} ` : there.date === here.date ? "" : `${there.weekday} `;
  return `${day}${there.time} ${timezone}`;
}

function partsOf(at: number, timeZone: string): Readonly<{ date: string; weekday: string; time: string }> {
  const format = new Intl.DateTimeFormat("en-GB", {
    ...{ timeZone, weekday: "short", hourCycle: "h23", hour: "2-digit", minute: "2-digit" },
    ...{ year: "numeric", month: "2-digit", day: "2-digit" },
  });
  const parts = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]));
  const { year, month, day, weekday = "", hour, minute } = parts;
  return { date: `${year}-${month}-${day}`, weekday, time: `${hour}:${minute}` };
}
