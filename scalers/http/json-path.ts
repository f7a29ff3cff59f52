import { createRequire } from "node:module";

type Parser = typeof import("jsonpath-rfc9535/parser");
type Library = typeof import("jsonpath-rfc9535");

/** Loaded with the first path: whoever has none does without it. */
const load = createRequire(import.meta.url);

/** What is wrong with a JSONPath (RFC 9535); undefined where nothing is. */
export function pathProblem(path: string): string | undefined {
  try {
    (load("jsonpath-rfc9535/parser") as Parser).default(path);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message.slice(0, 120) : "cannot be read";
  }
}

/** All values that a path leads to. */
export const valuesAt = (document: unknown, path: string): readonly unknown[] =>
  (load("jsonpath-rfc9535") as Library).query(document as never, path);

/** A value as a number: numbers, numbers in quotes, and of a list how long it is. NaN for everything else. */
export function asNumber(value: unknown): number {
  if (Array.isArray(value)) return value.length;
  if (typeof value === "number") return value;
  return typeof value === "string" && /^\d+(\.\d+)?$/.test(value) ? Number(value) : Number.NaN;
}

/** A time: text as RFC 3339 has it, or seconds or milliseconds since 1970. NaN for everything else. */
export function asTime(value: unknown): number {
  const number = asNumber(value);
  if (Number.isFinite(number)) return number < 1e11 ? number * 1000 : number;
  return typeof value === "string" ? Date.parse(value) : Number.NaN;
}
