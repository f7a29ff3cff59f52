import type { Place } from "./fields.ts";
import { type Complaint, pathText } from "./finding.ts";
import type { Visited } from "./json-schema.ts";
import { keyReferences } from "./secrets.ts";
import { get } from "./tree.ts";

/** Fields that do not work where the document is put to work; of nested ones the outermost. */
export function checkPlaces(all: readonly Visited[], place: Place): readonly Complaint[] {
  const wrong = all.filter(({ schema }) => schema.place !== undefined && schema.place !== place);
  return wrong.filter(({ path }) => !wrong.some((outer) => isInside(path, outer.path))).map(misplaced);
}

/** Whether something stands within what stands at another path. */
export const isInside = (path: readonly PropertyKey[], outer: readonly PropertyKey[]) =>
  path.length > outer.length && outer.every((step, at) => path[at] === step);

function misplaced({ path, schema: { place, instead } }: Visited): Complaint {
  const where = place === "cluster" ? "outside a cluster" : "in a cluster";
  const message = `\`${pathText(path)}\` must not be used ${where}: ${instead}`;
  return { rule: `${place}-only`, message, path, atKey: true };
}

/** Where documents want to be put to work, by what they name: without any hint it is this machine. */
export function placeOf(documents: readonly unknown[]): Place {
  const targets = documents.map((document) => Object.keys(Object(get(document, "spec", "target"))));
  if (targets.some((keys) => keys.includes("process"))) return "local";
  const scaled = targets.some((keys) => keys.includes("kind") || keys.includes("job"));
  return scaled || documents.some(belongsToCluster) ? "cluster" : "local";
}

const belongsToCluster = (document: unknown) =>
  get(document, "kind") === "ClusterQueueConnection" || keyReferences(get(document, "spec"), "").length > 0;
