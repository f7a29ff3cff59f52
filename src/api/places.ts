import type { Place } from "./fields.ts";
import { type Complaint, pathText } from "./finding.ts";
import type { JsonSchema } from "./json-schema.ts";

/** Fields that do not work where the document is put to work. What has the wrong shape is the schema's to complain of. */
export function checkPlaces(
  schema: JsonSchema,
  value: unknown,
  place: Place,
  path: readonly PropertyKey[] = [],
): readonly Complaint[] {
  if (Array.isArray(value)) return value.flatMap((item, at) => checkPlaces(schema.items ?? {}, item, place, [...path, at]));
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const child = Object.hasOwn(schema.properties ?? {}, key) ? schema.properties?.[key] : undefined;
    if (child === undefined) return [];
    const at = [...path, key];
    return child.place === undefined || child.place === place ? checkPlaces(child, inner, place, at) : [misplaced(child, at)];
  });
}

function misplaced({ place, instead }: JsonSchema, path: readonly PropertyKey[]): Complaint {
  const where = place === "cluster" ? "outside a cluster" : "in a cluster";
  const message = `\`${pathText(path)}\` must not be used ${where}: ${instead}`;
  return { rule: `${place}-only`, message, path, atKey: true };
}

/** Where documents want to be put to work, by their targets: without any hint it is this machine. */
export function placeOf(documents: readonly unknown[]): Place {
  const targets = documents.map((document) => keysAt(document, "spec", "target"));
  const local = targets.some((keys) => keys.includes("process"));
  const cluster = documents.some(isClusterKind) || targets.some((keys) => keys.includes("kind") || keys.includes("job"));
  return cluster && !local ? "cluster" : "local";
}

const isClusterKind = (document: unknown) => (Object(document) as { kind?: unknown }).kind === "ClusterQueueConnection";

function keysAt(value: unknown, ...path: readonly string[]): readonly string[] {
  const found = path.reduce<unknown>((at, step) => (Object(at) as Record<string, unknown>)[step], value);
  return Object.keys(Object(found));
}
