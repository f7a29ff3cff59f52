import { z } from "zod";
import type { CelRule, Place } from "./fields.ts";

/** The part of JSON Schema (2020-12) that zod writes for our schemas, and our own additions. */
export type JsonSchema = Readonly<{
  $schema?: string;
  title?: string;
  description?: string;
  type?: string;
  default?: unknown;
  enum?: readonly unknown[];
  const?: unknown;
  properties?: Readonly<Record<string, JsonSchema>>;
  required?: readonly string[];
  additionalProperties?: boolean | JsonSchema;
  propertyNames?: JsonSchema;
  items?: JsonSchema;
  anyOf?: readonly JsonSchema[];
  oneOf?: readonly JsonSchema[];
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  pattern?: string;
  format?: string;
  /** Ours: what a value must be, for people. */
  must?: string;
  /** Ours too: the field works in one place only, and what to use in the other one. */
  place?: Place;
  instead?: string;
  cel?: readonly CelRule[];
  /** How server-side apply merges a list: by these keys, or as a set; without it a list has one owner. */
  listType?: "map" | "set";
  listKeys?: readonly string[];
}>;

/** What a document may hold, before defaults are applied. Checks over several fields are not in it. */
export function toJsonSchema(schema: z.ZodType): JsonSchema {
  return z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as JsonSchema;
}

/** A value in a document, and what the schema says of it. */
export type Visited = Readonly<{ path: readonly PropertyKey[]; schema: JsonSchema; value: unknown }>;

/** Every value that the schema knows, outer ones first. What has another shape than the schema says is left out. */
export function visited(schema: JsonSchema, value: unknown, path: readonly PropertyKey[] = []): readonly Visited[] {
  const own = [{ path, schema, value }];
  if (Array.isArray(value)) return [...own, ...value.flatMap((item, at) => visited(schema.items ?? {}, item, [...path, at]))];
  if (typeof value !== "object" || value === null) return own;
  const inner = Object.entries(value).flatMap(([key, child]) => {
    const known = Object.hasOwn(schema.properties ?? {}, key) ? schema.properties?.[key] : undefined;
    return known ? visited(known, child, [...path, key]) : [];
  });
  return [...own, ...inner];
}

/** The schema of the value at a path; undefined where the schema says nothing of it. */
export function schemaAt(root: JsonSchema, path: readonly PropertyKey[]): JsonSchema | undefined {
  let schema: JsonSchema | undefined = root;
  for (const step of path) {
    if (!schema) return undefined;
    const choices: readonly JsonSchema[] = [schema, ...(schema.anyOf ?? []), ...(schema.oneOf ?? [])];
    schema = choices.map((choice) => child(choice, step)).find((found) => found !== undefined);
  }
  return schema;
}

function child(schema: JsonSchema, step: PropertyKey): JsonSchema | undefined {
  if (typeof step === "number") return schema.items;
  const name = String(step);
  if (schema.properties && Object.hasOwn(schema.properties, name)) return schema.properties[name];
  return typeof schema.additionalProperties === "object" ? schema.additionalProperties : undefined;
}

/** What a value must be: "must be a whole number from 0 to 100000". */
export function mustBe(schema: JsonSchema | undefined): string {
  if (!schema) return "must be something else";
  if (schema.must !== undefined) return schema.must;
  if (schema.const !== undefined) return `must be '${String(schema.const)}'`;
  if (schema.enum) return `must be ${oneOf(schema.enum.map((value) => `'${String(value)}'`))}`;
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return `must be ${choices.map((choice) => mustBe(choice).replace(/^must be /, "")).join(", or ")}`;
  switch (schema.type) {
    case "integer":
      return `must be a whole number${range(schema)}`;
    case "number":
      return `must be a number${range(schema)}`;
    case "boolean":
      return "must be true or false";
    case "string":
      return `must be text${length(schema.minLength, schema.maxLength, "character")}${schema.pattern ? ` that matches ${schema.pattern}` : ""}`;
    case "array":
      return `must be a list${length(schema.minItems, schema.maxItems, "item")}`;
    case "object":
      return "must be a map";
    default:
      return "must be something else";
  }
}

const oneOf = (words: readonly string[]) => (words.length === 1 ? words[0] : `one of ${words.join(", ")}`);

function range(schema: JsonSchema): string {
  const low = schema.minimum ?? schema.exclusiveMinimum;
  const high = schema.maximum ?? schema.exclusiveMaximum;
  const above = schema.exclusiveMinimum === undefined ? "from" : "above";
  const bounded = (bound: number | undefined) => bound !== undefined && Math.abs(bound) < Number.MAX_SAFE_INTEGER;
  if (bounded(low) && bounded(high)) return ` ${above} ${low} to ${high}`;
  if (bounded(low)) return above === "above" ? ` above ${low}` : ` of at least ${low}`;
  return bounded(high) ? ` of at most ${high}` : "";
}

function length(min: number | undefined, max: number | undefined, unit: string): string {
  if (min && max) return min === max ? ` of ${min} ${unit}s` : ` of ${min} to ${max} ${unit}s`;
  if (max) return ` of at most ${max} ${unit}s`;
  return min ? ` of at least ${min} ${unit}${min === 1 ? "" : "s"}` : "";
}
