import { z } from "zod";

/** A whole number within a range that fits an int32, both ends included. */
export const whole = (min: number, max: number) => z.int().min(min).max(max);

/** A name as Kubernetes has them (RFC 1123 label), so that every document can move into a cluster as it stands. */
export const name = () =>
  z
    .string()
    .min(1)
    .max(63)
    .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/)
    .meta({ must: "must be 1 to 63 lower-case letters, digits and dashes, and begin and end with a letter or digit" });

/** Text of limited length; empty only where `min` is 0. */
export const text = (max: number, min = 1) => z.string().min(min).max(max);

/** The name of an environment variable. */
export const variable = () =>
  z
    .string()
    .max(255)
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/)
    .meta({ must: "must be the name of an environment variable: letters, digits and underscores" });

/** A name of another object in Kubernetes (RFC 1123 subdomain): more than ours may be, with dots. */
export const objectName = () =>
  z
    .string()
    .min(1)
    .max(253)
    .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/)
    .meta({ must: "must be 1 to 253 lower-case letters, digits, dashes and dots, and begin and end with a letter or digit" });

/** A moment, with its zone. */
export const time = () => z.iso.datetime({ offset: true }).meta({ must: "must be a time such as '2026-12-24T18:00:00Z'" });

/** Where documents are put to work: in a file of `worktide run`, or on a Kubernetes API server. */
export type Place = "local" | "cluster";

/** Marks a field that works in one place only; `instead` is the way out in the other one: "use `process`". */
export const clusterOnly = (instead: string) => ({ place: "cluster" satisfies Place, instead });
export const localOnly = (instead: string) => ({ place: "local" satisfies Place, instead });

/** A rule that the API server itself holds, in CEL; `self` is the value that carries it. The schema says the same. */
export type CelRule = Readonly<{ rule: string; message: string }>;

/** Gives a field rules for the API server. */
export const cel = (...rules: readonly CelRule[]) => ({ cel: rules });

/** CEL: exactly one of these fields is there. */
export const exactlyOne = (keys: readonly string[], fields = keys): CelRule => ({
  rule: `[${keys.map((key) => `has(self.${key})`).join(", ")}].exists_one(there, there)`,
  message: `must have exactly one of ${fields.map((field) => `\`${field}\``).join(", ")}`,
});

/** A list in which nothing stands twice; several owners may each add to it (server-side apply). */
export const setOf = <Item extends z.ZodType>(item: Item) => z.array(item).meta({ listType: "set" });

/** An object of a scaler or broker whose unknown fields are errors; what `.strict()` alone forgets of it is kept. */
export const closed = (schema: z.ZodObject) => schema.strict().meta(schema.meta() ?? {});

/** When a complaint of a check is dropped because another one of the same document already says it. */
export type Mute = Readonly<{
  /** The object at the check's own path has an unknown key. */
  unlessUnknown?: boolean;
  /** One of these keys of that object is invalid itself. */
  unlessInvalid?: readonly string[];
}>;

/** One complaint of a check over several fields; `message` begins with "must". */
export function complain(
  context: z.RefinementCtx,
  rule: string,
  path: readonly PropertyKey[],
  message: string,
  mute: Mute = {},
): void {
  context.addIssue({ code: "custom", path: [...path], message, params: { rule, ...mute } });
}

/** "found none", "found `url` and `urlFrom`". */
export const foundText = (given: readonly string[]): string =>
  given.length === 0 ? "found none" : `found ${given.map((key) => `\`${key}\``).join(" and ")}`;

/** {@link exactlyOne} for zod: whether it is so. */
export function checkOne<Key extends string>(
  keys: readonly Key[],
  value: Readonly<Partial<Record<Key, unknown>>>,
  rule: string,
  context: z.RefinementCtx,
): boolean {
  const given = keys.filter((key) => value[key] !== undefined);
  if (given.length === 1) return true;
  complain(context, rule, [], `${exactlyOne(keys).message}; ${foundText(given)}`, { unlessUnknown: true });
  return false;
}

/** A list that the API server keys by `name`; several owners may each add to it. `same` gives what no two names share. */
export const namedList = <Item extends z.ZodType<Readonly<{ name: string }>>>(
  item: Item,
  max: number,
  same = (name: string) => name,
) =>
  z
    .array(item)
    .max(max)
    .superRefine((entries, context) => {
      const names = entries.map(({ name }) => same(name));
      const twice = names.findIndex((name, at) => names.indexOf(name) < at);
      if (twice !== -1) complain(context, "duplicate-item", [twice, "name"], "must not stand twice");
    })
    .default([])
    .meta({ listType: "map", listKeys: ["name"] });
