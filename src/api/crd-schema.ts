import type { JsonSchema } from "./json-schema.ts";

/** A structural schema of `apiextensions.k8s.io/v1`. */
export type CrdSchema = Readonly<Record<string, unknown>>;

/** Most entries of a map: rules over it must have a bounded cost. */
const mostEntries = 256;
const int32 = 2 ** 31;

/**
 * The same schema as the API server takes it, without what works outside a cluster only. Unknown fields have no word
 * there: they are refused (`kubectl`, strict validation) or dropped.
 */
export function structural(schema: JsonSchema): CrdSchema {
  return {
    ...(schema.description === undefined ? {} : { description: schema.description }),
    ...typeOf(schema),
    ...boundsOf(schema),
    ...(schema.default === undefined ? {} : { default: schema.default }),
    ...(schema.listType === undefined ? {} : { "x-kubernetes-list-type": schema.listType }),
    ...(schema.listKeys === undefined ? {} : { "x-kubernetes-list-map-keys": schema.listKeys }),
    ...insides(schema),
    ...(schema.cel === undefined ? {} : { "x-kubernetes-validations": schema.cel }),
  };
}

function typeOf({ type, const: only, enum: choices, format, pattern }: JsonSchema): CrdSchema {
  if (type === undefined) throw new Error("a field of a custom resource must have a type");
  const values = only === undefined ? choices : [only];
  // The pattern of a time says what its format says, in 400 characters.
  const text = format === "date-time" ? { format } : pattern === undefined ? {} : { pattern };
  return { type, ...(values === undefined ? {} : { enum: values }), ...text };
}

function boundsOf(schema: JsonSchema): CrdSchema {
  const { type, minimum, maximum, minLength, maxLength, minItems, maxItems, format } = schema;
  const given = { minimum, maximum, minLength, maxLength, minItems, maxItems };
  const bounds = Object.fromEntries(Object.entries(given).filter(([, bound]) => bound !== undefined));
  if (format === "date-time") return { ...bounds, maxLength: 64 };
  if (type === "number") return { format: "double", ...bounds };
  if (type !== "integer") return bounds;
  return { format: Math.max(Math.abs(minimum ?? 0), Math.abs(maximum ?? 0)) < int32 ? "int32" : "int64", ...bounds };
}

function insides({ type, items, properties, required, additionalProperties: more }: JsonSchema): CrdSchema {
  if (type === "array") return { items: structural(items ?? {}) };
  if (type !== "object") return {};
  if (properties === undefined) {
    return typeof more === "object" ? { maxProperties: mostEntries, additionalProperties: structural(more) } : {};
  }
  const known = Object.entries(properties).filter(([, { place }]) => place !== "local");
  const needed = (required ?? []).filter((key) => known.some(([name]) => name === key));
  return {
    ...(needed.length === 0 ? {} : { required: needed }),
    properties: Object.fromEntries(known.map(([key, child]) => [key, structural(child)])),
    ...(typeof more === "object" ? { "x-kubernetes-preserve-unknown-fields": true } : {}),
  };
}
