/** Words of PromQL that a list of labels follows. */
const groupings = new Set(["by", "without", "on", "ignoring", "group_left", "group_right"]);
const words = new Set(["and", "or", "unless", "bool", "atan2", "start", "end", "inf", "nan"]);
const most = 20;

const token = new RegExp(
  [
    /\s+|#[^\n]*/, // space and comments
    /"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`/,
    /\{(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`|[^}"'`])*\}/, // labels
    /\[[^\]]*\]/, // a range
    /[A-Za-z_:][\w:]*/,
    /[\d.][\w.]*/,
    /./,
  ]
    .map(({ source }) => source)
    .join("|"),
  "gsu",
);

/**
 * The selectors of a PromQL expression: the series that its number is made from. Undefined where their samples are not of the
 * present instant or need not be there: `offset`, `@`, subqueries, `absent`.
 */
function selectorsIn(expression: string): readonly string[] | undefined {
  const tokens = (expression.match(token) ?? []).filter((one) => !/^(\s|#)/.test(one));
  const selectors = new Set<string>();
  for (let at = 0; at < tokens.length; at++) {
    const [one = "", next = ""] = tokens.slice(at, at + 2);
    const word = one.toLowerCase();
    if (one === "@" || word === "offset" || (one.startsWith("[") && one.includes(":"))) return undefined;
    if (one.startsWith("{")) selectors.add(one);
    if (!/^[A-Za-z_:]/.test(one) || words.has(word)) continue;
    if (groupings.has(word)) {
      if (next === "(") at = tokens.indexOf(")", at);
      continue;
    }
    if (next === "(" || groupings.has(next.toLowerCase())) {
      if (word.startsWith("absent")) return undefined;
      continue;
    }
    if (next.startsWith("{")) at += 1;
    selectors.add(next.startsWith("{") ? one + next : one);
  }
  return selectors.size > most ? undefined : [...selectors];
}

/**
 * The time of the oldest sample that an expression is made from, as an expression: the number itself carries only the time at
 * which it was asked for. "" where it is made from no samples; undefined where nobody can tell.
 */
export function timeQuery(expression: string): string | undefined {
  const selectors = selectorsIn(expression);
  if (selectors === undefined) return undefined;
  if (selectors.length < 2) return selectors.map((one) => `min(timestamp(${one}))`).join("");
  // Told apart by a label, for series of one name hide those of another where their labels are the same.
  const times = selectors.map((one, at) => `label_replace(timestamp(${one}), "worktide_selector", "${at}", "", "")`);
  return `min(${times.join(" or ")})`;
}
