import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type ParsedNode,
  parseAllDocuments,
  visit,
  type YAMLMap,
} from "yaml";
import { type Complaint, pathText } from "./finding.ts";
import { redact } from "./redact.ts";

/** Line and column, both from 1. */
export type Place = Readonly<{ line: number; column: number }>;

/** One YAML document: its plain value, and where everything in it stands. */
export type Source = Readonly<{
  value: unknown;
  /** Syntax errors: when there are any, `value` is undefined. */
  errors: readonly (Place & Pick<Complaint, "rule" | "message">)[];
  /** Where the value (or the key) at this path stands; the nearest one around it where there is none. */
  place(path: readonly PropertyKey[], atKey?: boolean): Place;
  /** The text of a scalar as it stands in the file. */
  text(path: readonly PropertyKey[]): string | undefined;
}>;

/** References to one anchor that a document may hold after expansion: bounds what an "alias bomb" can grow to. */
const maxAliases = 1000;

/** Every document of a YAML 1.2 text; empty ones are left out. Never throws. */
export function readYaml(text: string): readonly Source[] {
  const lines = new LineCounter();
  try {
    const documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, merge: true, uniqueKeys: true });
    if (!Array.isArray(documents)) return [];
    return documents.filter((document) => !isEmpty(document) || document.errors.length > 0).map((one) => toSource(one, lines));
  } catch (error) {
    return [broken({ line: 1, column: 1, rule: "yaml-syntax", message: `YAML: ${overflow(error)}` })];
  }
}

/** Nothing but comments between two `---`. */
const isEmpty = ({ contents }: Document.Parsed<ParsedNode>) =>
  contents === null || (isScalar(contents) && contents.value === null);

function toSource(document: Document.Parsed<ParsedNode>, lines: LineCounter): Source {
  const errors = errorsOf(document, lines);
  let value: unknown;
  if (errors.length === 0) {
    try {
      value = withoutNulls(document.toJS({ maxAliasCount: maxAliases }));
    } catch (error) {
      const lost = unresolvedAlias(document);
      const place = at(lines, lost ?? document.contents?.range?.[0] ?? 0);
      errors.push({ ...place, rule: lost === undefined ? "alias-limit" : "yaml-syntax", message: `YAML: ${overflow(error)}` });
    }
  }
  return {
    value,
    errors,
    place: (path, atKey) => at(lines, offsetOf(document, path, atKey === true)),
    text: (path) => {
      const node = isNode(document.contents) ? document.getIn(path, true) : undefined;
      return isScalar(node) && node.source !== undefined ? node.source : undefined;
    },
  };
}

function errorsOf(document: Document.Parsed<ParsedNode>, lines: LineCounter): (Place & { rule: string; message: string })[] {
  const told = [...document.errors, ...document.warnings].map((error) => ({
    ...at(lines, error.pos[0]),
    rule: error.code === "DUPLICATE_KEY" ? "duplicate-key" : "yaml-syntax",
    message:
      error.code === "DUPLICATE_KEY"
        ? `YAML: ${keyName(document, error.pos[0])} stands twice in the same map`
        : `YAML: ${withoutQuote(error.message)}`,
  }));
  // After the first syntax error the parser guesses: what it says then only confuses.
  const syntax = told.find((error) => error.rule === "yaml-syntax");
  return syntax ? [syntax] : told;
}

/** Where an alias stands that no anchor belongs to. */
function unresolvedAlias(document: Document.Parsed<ParsedNode>): number | undefined {
  let offset: number | undefined;
  visit(document, {
    Alias(_key, alias) {
      if (alias.resolve(document) !== undefined) return undefined;
      offset = alias.range?.[0];
      return visit.BREAK;
    },
  });
  return offset;
}

/** The scalar that begins at this offset, in back-quotes. */
function keyName(document: Document.Parsed<ParsedNode>, offset: number): string {
  const find = (node: unknown): string | undefined => {
    if (isSeq(node)) return node.items.map(find).find((found) => found !== undefined);
    if (!isMap(node)) return undefined;
    for (const { key, value } of node.items) {
      if (isScalar(key) && key.range?.[0] === offset) return `\`${pathText([String(key.value)])}\``;
      const inner = find(value);
      if (inner !== undefined) return inner;
    }
    return undefined;
  };
  return find(document.contents) ?? "a key";
}

/** The deepest node on the path that is in the file. A step that came by `<<` or an alias stands where that stands. */
function offsetOf(document: Document.Parsed<ParsedNode>, path: readonly PropertyKey[], atKey: boolean): number {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  for (const [depth, step] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = pairOf(node, step);
      if (!pair) return offset;
      node = pair.value;
      const last = depth === path.length - 1;
      offset = (last && atKey ? startOf(pair.key) : startOf(pair.value)) ?? startOf(pair.key) ?? offset;
    } else if (isSeq(node) && typeof step === "number") {
      node = node.items[step];
      offset = startOf(node) ?? offset;
    } else return offset;
  }
  return offset;
}

const pairOf = (map: YAMLMap, step: PropertyKey) =>
  map.items.find(({ key }) => (isScalar(key) ? String(key.value ?? "") : String(key)) === String(step));

const startOf = (node: unknown): number | undefined => (isNode(node) ? node.range?.[0] : undefined);

function at(lines: LineCounter, offset: number): Place {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

/** A key without a value is as good as none: unset and null must not differ. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== null)
      .map(([key, inner]) => [key, withoutNulls(inner)]),
  );
}

function overflow(error: unknown): string {
  return error instanceof Error ? withoutQuote(error.message) : "cannot be read";
}

/** Of the messages of the parser what helps. A password that begins with `*`, `!`, `|` or `>` is an alias, a tag or a block to YAML: the place says enough. */
function withoutQuote(message: string): string {
  if (message.startsWith("Maximum call stack")) return "nested too deeply";
  const told = redact(message.replace(/^(Unresolved|Block scalar|Not a valid|Could not resolve)([^:]*):.*/s, "$1$2"));
  return told.length <= longest ? told : `${told.slice(0, longest)}…`;
}

/** What is no YAML at all is quoted by its messages as a whole. */
const longest = 160;

const broken = (error: Source["errors"][number]): Source => ({
  value: undefined,
  errors: [error],
  place: () => error,
  text: () => undefined,
});
