import type { Declared } from "./check-together.ts";
import type { Complaint } from "./finding.ts";
import { get, textOf } from "./tree.ts";

type Target = Readonly<{ namespace: string; group: string; kind: string; name: string }>;

/** What stands beside our documents in the files, and would set the size of a target too. */
export function checkNeighbours(
  all: readonly Declared[],
  foreign: readonly unknown[],
): readonly (Complaint & { of: Declared })[] {
  return all.flatMap((of) => {
    const target = of.kind === "ScaledWorker" ? targetOf(get(of.document, "spec", "target"), of.namespace) : undefined;
    if (target === undefined) return [];
    return foreign.flatMap((other) => {
      const complaint = pinned(other, target) ?? autoscaled(other, target);
      return complaint === undefined ? [] : [{ of, ...complaint, path: ["spec", "target"] }];
    });
  });
}

/** Names what is scaled, whatever the version of its group. */
function targetOf(reference: unknown, namespace: string): Target | undefined {
  const [kind, name] = [get(reference, "kind"), get(reference, "name")];
  if (typeof kind !== "string" || typeof name !== "string") return undefined;
  return { namespace, group: groupOf(get(reference, "apiVersion") ?? "apps/v1"), kind, name };
}

const groupOf = (apiVersion: unknown) => textOf(apiVersion).replace(/\/?[^/]*$/, "");
const namespaceOf = (object: unknown) => textOf(get(object, "metadata", "namespace") ?? "default");
const same = (a: Target, b: Target | undefined) =>
  b !== undefined && a.namespace === b.namespace && a.group === b.group && a.kind === b.kind && a.name === b.name;

function pinned(object: unknown, target: Target): Omit<Complaint, "path"> | undefined {
  const size = get(object, "spec", "replicas");
  const own = { apiVersion: get(object, "apiVersion"), kind: get(object, "kind"), name: get(object, "metadata", "name") };
  if (typeof size !== "number" || !same(target, targetOf(own, namespaceOf(object)))) return undefined;
  const message =
    `\`spec.target\` must have its size from one place: ${target.kind} '${target.name}' has \`spec.replicas\` in these files, ` +
    `which sets it back to ${size} with every apply; leave it out there`;
  return { severity: "warning", rule: "pinned-replicas", message };
}

function autoscaled(object: unknown, target: Target): Omit<Complaint, "path"> | undefined {
  if (get(object, "kind") !== "HorizontalPodAutoscaler") return undefined;
  if (!same(target, targetOf(get(object, "spec", "scaleTargetRef"), namespaceOf(object)))) return undefined;
  const message = `\`spec.target\` must not be the target of a HorizontalPodAutoscaler too: leave '${get(object, "metadata", "name")}' out`;
  return { rule: "target-autoscaled", message };
}
