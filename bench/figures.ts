/** The value below which a share `q` of them lies, linearly between neighbours; NaN of none. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

/**
 * Slope of y over x by Theil and Sen: the median of the slopes between all pairs of points, which single outliers
 * (a garbage collection, a burst) do not move.
 */
export function slope(points: readonly Readonly<{ x: number; y: number }>[]): number {
  const slopes: number[] = [];
  points.forEach((a, index) => {
    for (const b of points.slice(index + 1)) if (b.x !== a.x) slopes.push((b.y - a.y) / (b.x - a.x));
  });
  return median(slopes);
}

/** About three significant digits, and no more than two after the point; a whole number stays one. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const after = Number.isInteger(value) ? 0 : Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toFixed(after).replace(/\B(?=(\d{3})+(?!\d))/g, after === 0 ? "," : "");
}

/** One table of the results. */
export type Table = Readonly<{
  title: string;
  /** One paragraph under the title, Markdown. */
  note?: string;
  head: readonly string[];
  rows: readonly (readonly string[])[];
}>;

/** In Markdown; the columns padded, so that a terminal shows a table too. */
export function markdown({ title, note, head, rows }: Table): string {
  const widths = head.map((cell, column) => Math.max(3, cell.length, ...rows.map((row) => (row[column] ?? "").length)));
  const line = (cells: readonly string[]) =>
    `| ${widths.map((width, column) => pad(cells[column] ?? "", width, column)).join(" | ")} |`;
  const rule = `|${widths.map((width, column) => (column === 0 ? "-".repeat(width + 2) : `${"-".repeat(width + 1)}:`)).join("|")}|`;
  return [`### ${title}`, "", ...(note === undefined ? [] : [note, ""]), line(head), rule, ...rows.map(line)].join("\n");
}

function pad(cell: string, width: number, column: number): string {
  return column === 0 ? cell.padEnd(width) : cell.padStart(width);
}
