/** How numbers and states are said. Everything that is not known is a dash. */

const numbers = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const clockTimes = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const none = "–";

export const count = (n) => (n === undefined || n === null ? none : numbers.format(n));

/** "250 ms", "2.1 s", "41 s", "4 min", "1.5 h". */
export function span(ms) {
  if (ms === undefined || ms === null || Number.isNaN(ms)) return none;
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 1) return `${brief(seconds * 1000)} ms`;
  if (seconds < 100) return `${brief(seconds)} s`;
  if (seconds < 6000) return `${brief(seconds / 60)} min`;
  if (seconds < 172_800) return `${brief(seconds / 3600)} h`;
  return `${brief(seconds / 86_400)} d`;
}

/** How long the oldest job waits, in whole seconds; `longer`: that is the least that it can be. */
export const waitText = (ms, longer) => (longer ? "≥ " : "") + span(Math.floor(ms / 1000) * 1000);

/** Ages on the page move by whole steps, so that they do not flicker. */
export function age(ms) {
  if (ms < 1000) return "just now";
  const step = ms < 100_000 ? 1000 : ms < 6_000_000 ? 60_000 : 3_600_000;
  return `${span(Math.floor(ms / step) * step)} ago`;
}

export const clock = (time) => clockTimes.format(new Date(time));

function brief(value) {
  return value < 10 ? String(Math.round(value * 10) / 10) : String(Math.round(value));
}

/** Reasons as people say them; one that is not here is split into its words. */
export function reasonWords(reason) {
  return reason.replace(/([a-z])([A-Z])/g, (_, a, b) => `${a} ${b.toLowerCase()}`);
}

/** A sentence of a decision without the move in front of it, which the page shows beside it. */
export const withoutMove = (summary) => summary.replace(/^(?:\d+ -> \d+|stays \d+): /, "").replaceAll(" -> ", " → ");

export function plural(n, noun) {
  return n === 1 ? `1 ${noun}` : `${count(n)} ${noun}s`;
}
