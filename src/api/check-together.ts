import type { AnyScaler } from "../core/contract.ts";
import { brokersOf } from "./brokers-of.ts";
import type { Place } from "./fields.ts";
import type { Complaint } from "./finding.ts";
import type { Kind } from "./meta.ts";
import { type Offer, wrongReference } from "./reference-check.ts";
import { get, listAt, textOf } from "./tree.ts";

/** A document as the checks over several documents see it. */
export type Declared = Readonly<{ kind: Kind; namespace: string; name: string; document: unknown; title: string }>;

/** What the identity of a document is, as far as it can be told. */
export function declare(kind: Kind, document: unknown): Declared | undefined {
  const name = get(document, "metadata", "name");
  if (typeof name !== "string") return undefined;
  if (kind === "ClusterQueueConnection") return { kind, namespace: "", name, document, title: `${kind} ${name}` };
  const namespace = get(document, "metadata", "namespace") ?? "default";
  if (typeof namespace !== "string") return undefined;
  return { kind, namespace, name, document, title: `${kind} ${namespace}/${name}` };
}

/** Rules over all documents: `of` says to which one a complaint belongs. */
export function checkTogether(
  all: readonly Declared[],
  scalers: readonly AnyScaler[],
  place: Place,
): readonly (Complaint & { of: Declared })[] {
  return [...checkDuplicates(all), ...checkConnections(all, scalers, place), ...checkShared(all, scalers), ...checkTargets(all)];
}

function checkDuplicates(all: readonly Declared[]) {
  return all
    .filter((one, index) => all.findIndex((other) => other.title === one.title) < index)
    .map((of) => ({
      of,
      rule: "duplicate-document",
      message: `\`metadata.name\` must be unique: ${of.title} is declared twice`,
      path: ["metadata", "name"],
    }));
}

function checkConnections(all: readonly Declared[], scalers: readonly AnyScaler[], place: Place) {
  const workers = all.filter(({ kind }) => kind === "ScaledWorker");
  return workers.flatMap((of) =>
    listAt(of.document, "spec", "triggers").flatMap((trigger, index) => {
      const field = (["connection", "clusterConnection"] as const).find((key) => typeof get(trigger, key) === "string");
      if (field === undefined) return [];
      const kind = field === "connection" ? "QueueConnection" : "ClusterQueueConnection";
      const near = all.filter((one) => one.kind === kind && (kind !== "QueueConnection" || one.namespace === of.namespace));
      const name = String(get(trigger, field));
      const scaler = scalers.find(({ type }) => get(trigger, type) !== undefined);
      const found = near.find((other) => other.name === name);
      const path = ["spec", "triggers", index, field];
      const wrong = wrongReference({
        kind,
        name,
        path,
        brokers: scaler && brokersOf(scaler),
        namespace: of.namespace,
        names: near.map((one) => one.name),
        found: found && offerOf(found),
      });
      if (wrong === undefined) return [];
      // In a cluster it may be there already, or come later.
      return [{ of, ...wrong, ...(place === "cluster" && found === undefined ? { severity: "warning" as const } : {}) }];
    }),
  );
}

/** What a connection offers, as far as its document says. */
function offerOf({ document }: Declared): Offer {
  const { namespaces, secretNamespace: _, ...byType } = Object(get(document, "spec")) as Readonly<Record<string, unknown>>;
  const given = Object.keys(byType);
  const patterns = Array.isArray(namespaces) ? namespaces.map(String) : undefined;
  return { ...(given.length === 1 ? { type: given[0] } : {}), ...(patterns ? { namespaces: patterns } : {}) };
}

/** Two pools that each size themselves by the whole of one queue grow to twice what it needs. */
function checkShared(all: readonly Declared[], scalers: readonly AnyScaler[]) {
  const seen = new Map<string, Declared>();
  return all
    .filter(({ kind }) => kind === "ScaledWorker")
    .flatMap((of) =>
      listAt(of.document, "spec", "triggers").flatMap((trigger, index) => {
        const scaler = scalers.find(({ type }) => get(trigger, type) !== undefined);
        if (!scaler || scaler.wants) return []; // many may follow one schedule
        const key = JSON.stringify([
          of.namespace,
          get(trigger, "connection"),
          get(trigger, "clusterConnection"),
          get(trigger, "inline"),
          scaler.type,
          get(trigger, scaler.type),
        ]);
        const first = seen.get(key);
        seen.set(key, first ?? of);
        if (!first || first === of) return [];
        const message = `\`spec.triggers[${index}]\` reads the same queue as ${first.title}: each will size itself by the whole of it`;
        return [{ of, severity: "warning" as const, rule: "shared-queue", message, path: ["spec", "triggers", index] }];
      }),
    );
}

/** Two owners of one size undo each other's decisions. */
function checkTargets(all: readonly Declared[]) {
  const seen = new Map<string, Declared>();
  return all
    .filter(({ kind }) => kind === "ScaledWorker")
    .flatMap((of) => {
      const [kind, name] = [get(of.document, "spec", "target", "kind"), get(of.document, "spec", "target", "name")];
      if (typeof kind !== "string" || typeof name !== "string") return [];
      const group = textOf(get(of.document, "spec", "target", "apiVersion") ?? "apps/v1").replace(/\/[^/]*$/, "");
      const key = JSON.stringify([of.namespace, group, kind, name]);
      const first = seen.get(key);
      seen.set(key, first ?? of);
      if (!first || first.title === of.title) return [];
      const message = `\`spec.target\` must not be the target of another ScaledWorker: ${first.title} scales ${kind} '${name}' too`;
      return [{ of, rule: "shared-target", message, path: ["spec", "target"] }];
    });
}
