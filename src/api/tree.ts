/** Reads a tree of unknown shape: undefined wherever something else stands there than asked for. */
export const get = (value: unknown, ...path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>(
    (at, step) => (typeof at === "object" && at !== null ? (at as Record<PropertyKey, unknown>)[step] : undefined),
    value,
  );

export const listAt = (value: unknown, ...path: readonly PropertyKey[]): readonly unknown[] => {
  const found = get(value, ...path);
  return Array.isArray(found) ? found : [];
};

/** A scalar as text. Of a map or list, which may have a `toString` of its own making, "a map" or "a list". */
export function textOf(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" && value !== null ? "a map" : String(value);
}
