/** One line of Prometheus' text format: a number, and the labels of its series. */
export type Line = Readonly<{ name: string; labels: ReadonlyMap<string, string>; value: number }>;

type Matcher = Readonly<{ label: string; fits: (value: string) => boolean }>;
/** `jobs{queue="mails"}`: a name, and what the labels must be. */
export type Selector = Readonly<{ name: string; matchers: readonly Matcher[] }>;

const name = /[A-Za-z_:][\w:]*/;
const quoted = /"((?:\\.|[^"\\])*)"/;
const pair = new RegExp(`\\s*([A-Za-z_]\\w*)\\s*(=~|!~|!=|=)\\s*${quoted.source}\\s*(?:,|$)`, "y");
const series = new RegExp(`^(${name.source})(?:\\s*\\{((?:${quoted.source}|[^"}])*)\\})?`);

type Pair = Readonly<{ label: string; how: string; value: string }>;

function pairsOf(text: string): readonly Pair[] | undefined {
  const pairs: Pair[] = [];
  pair.lastIndex = 0;
  const end = text.trimEnd().length;
  while (pair.lastIndex < end) {
    const found = pair.exec(text);
    if (found === null) return undefined;
    const [, label = "", how = "", value = ""] = found;
    pairs.push({ label, how, value: value.replace(/\\(.)/g, (_, one: string) => (one === "n" ? "\n" : one)) });
  }
  return pairs;
}

/** Undefined where it cannot be read. */
export function parseSelector(text: string): Selector | undefined {
  const found = series.exec(text.trim());
  const pairs = pairsOf(found?.[2] ?? "");
  if (found === null || found[0] !== text.trim() || pairs === undefined) return undefined;
  try {
    return { name: found[1] ?? "", matchers: pairs.map(matcherOf) };
  } catch {
    return undefined; // not a regular expression
  }
}

function matcherOf({ label, how, value }: Pair): Matcher {
  const pattern = how.endsWith("~") ? new RegExp(`^(?:${value})$`, "su") : undefined;
  const same = (one: string) => pattern?.test(one) ?? one === value;
  return { label, fits: how.startsWith("!") ? (one) => !same(one) : same };
}

/** Every number of a page (version 0.0.4, or OpenMetrics); the number of the first line that cannot be read. */
export function parseExposition(page: string): readonly Line[] | number {
  const lines: Line[] = [];
  for (const [at, text] of page.split("\n").entries()) {
    if (text.trim() === "" || text.startsWith("#")) continue;
    const found = series.exec(text);
    const labels = pairsOf(found?.[2] ?? "");
    const value = /^\s+(\S+)/.exec(text.slice(found?.[0].length))?.[1];
    if (found === null || labels === undefined || value === undefined) return at + 1;
    const number = Number(value.replace(/Inf$/, "Infinity"));
    lines.push({ name: found[1] ?? "", labels: new Map(labels.map(({ label, value }) => [label, value])), value: number });
  }
  return lines;
}

/** The numbers of all series that fit. A label that is not there is empty. */
export const valuesOf = (lines: readonly Line[], { name, matchers }: Selector): readonly number[] =>
  lines
    .filter((line) => line.name === name && matchers.every(({ label, fits }) => fits(line.labels.get(label) ?? "")))
    .map(({ value }) => value);
