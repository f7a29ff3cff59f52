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
