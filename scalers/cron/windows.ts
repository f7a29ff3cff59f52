import { Cron } from "croner";

/** What a window asks for while it is open. */
export type Ask = Readonly<{ replicas?: number | undefined; atMost?: number | undefined }>;

/** A window as it is declared: two cron expressions of five fields. */
export type Declared = Ask & Readonly<{ from: string; to: string }>;

/** A window that begins whenever `from` comes, and ends whenever `to` comes. */
export type Window = Ask & Readonly<{ from: Cron; to: Cron }>;

/** Throws where an expression or the zone is none. */
export const compile = (expression: string, timezone: string): Cron => new Cron(expression, { timezone, mode: "5-part" });

/**
 * Whether a window is open at that moment (ms since 1970): `from` has come last. Where both have come at one moment, it
 * is open if `from` names that moment: "from Monday 0:00 to 0:00" is all of Monday.
 *
 * A time that the clocks skip in spring comes when they go on (02:30 at 03:00), a time that they show twice in autumn comes
 * the first time. So a window that begins and ends within the skipped hour is not opened, and one around it not closed.
 */
function isOpen({ from, to }: Window, at: number): boolean {
  const [began, ended] = [last(from, at), last(to, at)];
  if (began === undefined || ended === undefined || began !== ended) return (began ?? -1) > (ended ?? -1);
  const moment = new Date(began);
  if (from.match(moment)) return true;
  if (to.match(moment)) return false;
  return isOpen({ from, to }, began - 1);
}

/** The next moment after `at` at which some window may open or close. */
export function nextEdge(windows: readonly Window[], at: number): number | undefined {
  const edges = windows.flatMap(({ from, to }) => [from, to]).flatMap((edge) => edge.nextRun(new Date(at))?.getTime() ?? []);
  return edges.length === 0 ? undefined : Math.min(...edges);
}

/** The last time that it came, up to and with `at`. */
function last(edge: Cron, at: number): number | undefined {
  return edge.previousRuns(1, new Date(at + 1))[0]?.getTime();
}

/** What all open windows ask for together: the largest of what is to be there, the smallest of what is allowed. */
export type Asked = Readonly<{ wants: number; atMost?: number }>;

export function askedAt(windows: readonly Window[], at: number): Asked {
  const open = windows.filter((window) => isOpen(window, at));
  const most = open.flatMap(({ atMost }) => atMost ?? []);
  const wants = Math.max(0, ...open.map(({ replicas }) => replicas ?? 0));
  return most.length === 0 ? { wants } : { wants, atMost: Math.min(...most) };
}
