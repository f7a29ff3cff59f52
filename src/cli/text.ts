/** Columns of equal width, two spaces between, nothing at the end of a line. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd();
  return [head, ...rows].map(line).join("\n");
}

/** "41 s", "12 min", "3 h", "5 d". */
export function ageText(ms: number): string {
  const seconds = Math.max(0, ms / 1000);
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

/** Numbers that were taken so long before they were read say so, ms. */
const statisticsMs = 15_000;

/** ", counted 2 min ago" of statistics, and nothing of numbers that were counted when they were asked for. Times are ms of one clock. */
export function countedText({ takenAt, readAt, now }: Readonly<Record<"takenAt" | "readAt" | "now", number>>): string {
  return readAt - takenAt < statisticsMs ? "" : `, counted ${ageText(now - takenAt)} ago`;
}

const codes = { green: 32, red: 31, yellow: 33, dim: 2, bold: 1 } as const;

/** Wraps text in the terminal's colours, or leaves it as it is. */
export function painter(color: boolean): (style: keyof typeof codes, text: string) => string {
  return color ? (style, text) => `\u001b[${codes[style]}m${text}\u001b[0m` : (_, text) => text;
}

/**
 * Text of others as it may reach a terminal: control characters, and those that turn the direction of text, are written as JSON
 * escapes them, so that JSON stays JSON. Line ends and tabs stay.
 */
export function visible(text: string): string {
  return text.replaceAll(unseen, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const unseen = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
