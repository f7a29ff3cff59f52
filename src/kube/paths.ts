import { type Kind, KubeError, type ObjectRef, type Selection } from "./kube.ts";

/** `/api/v1` or `/apis/group/version`. */
export function groupPath(apiVersion: string): string {
  const parts = apiVersion.split("/").map(encodeURIComponent);
  return parts.length === 1 ? `/api/${parts[0]}` : `/apis/${parts.join("/")}`;
}

/** Where all objects of a kind stand, or those of one namespace. */
export function collectionPath({ apiVersion, plural, namespaced }: Kind, namespace?: string): string {
  const place = namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : "";
  return `${groupPath(apiVersion)}${place}/${encodeURIComponent(plural)}`;
}

/** Where one object stands. Throws KubeError for what would be the path of many. */
export function objectPath({ kind, namespace, name }: ObjectRef, subresource?: string): string {
  if (name === "" || (kind.namespaced && !namespace)) {
    const message = `a ${kind.kind} must be named with its ${name === "" ? "name" : "namespace"}`;
    throw new KubeError({ status: 0, reason: "BadRequest", message, outcome: "refused" });
  }
  const path = `${collectionPath(kind, namespace)}/${encodeURIComponent(name)}`;
  return subresource === undefined ? path : `${path}/${subresource}`;
}

/** `?a=b`, without what is undefined. */
export function queryOf(parameters: Readonly<Record<string, string | number | boolean | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) query.set(name, String(value));
  return query.size > 0 ? `?${query}` : "";
}

/** For people: "Deployment shop/mails". */
export function titleOf({ kind, namespace, name }: ObjectRef): string {
  return `${kind.kind} ${namespace === undefined ? name : `${namespace}/${name}`}`;
}

/** For people: "ScaledWorkers of namespace shop". */
export function titleOfAll({ kind, namespace }: Selection): string {
  return namespace === undefined ? kind.plural : `${kind.plural} of namespace ${namespace}`;
}
