import type { AnyScaler } from "../core/contract.ts";
import { type Complaint, pathText } from "./finding.ts";
import type { Kind } from "./meta.ts";
import { hasPassword } from "./redact.ts";
import { didYouMean } from "./suggest.ts";

/** Reads a tree of unknown shape: undefined wherever something else stands there than asked for. */
const get = (value: unknown, ...path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>(
    (at, step) => (typeof at === "object" && at !== null ? (at as Record<PropertyKey, unknown>)[step] : undefined),
    value,
  );

const listAt = (value: unknown, ...path: readonly PropertyKey[]): readonly unknown[] => {
  const found = get(value, ...path);
  return Array.isArray(found) ? found : [];
};

/**
 * Rules over several fields of one document. They read the document as it stands in the file, so that they also speak
 * where another field is wrong; what has the wrong shape is the schema's to complain of.
 */
export function checkDocument(kind: Kind, document: unknown, scalers: readonly AnyScaler[]): readonly Complaint[] {
  if (kind === "QueueConnection") return checkSecrets(get(document, "spec"), ["spec"], "connection");
  return [...checkFallback(document), ...checkProtection(document, scalers), ...checkInline(document)];
}

function checkFallback(document: unknown): readonly Complaint[] {
  const replicas = get(document, "spec", "fallback", "replicas");
  const max = get(document, "spec", "replicas", "max");
  if (typeof replicas !== "number" || typeof max !== "number" || replicas <= max) return [];
  if (!Number.isInteger(max) || max < 0) return []; // a bound that is wrong itself bounds nothing
  const path = ["spec", "fallback", "replicas"];
  const message = `\`spec.fallback.replicas\` must not be above \`spec.replicas.max\`, which is ${max}; found '${replicas}'`;
  return [{ rule: "fallback-above-max", message, path }];
}

/** `protect: busy` needs to see who is busy: without it nothing would ever be removed, or anything. */
function checkProtection(document: unknown, scalers: readonly AnyScaler[]): readonly Complaint[] {
  const protect = get(document, "spec", "scaleDown", "protect") ?? "busy";
  if (protect !== "busy") return [];
  return listAt(document, "spec", "triggers").flatMap((trigger, index) => {
    const scaler = scalers.find(({ type }) => get(trigger, type) !== undefined);
    const query = scaler?.query.strict().safeParse(get(trigger, scaler.type));
    if (!scaler || !query?.success || scaler.sight(query.data).running) return [];
    const path = ["spec", "triggers", index, scaler.type];
    const way = blindWay(scaler.type, query.data);
    const message =
      `\`spec.triggers[${index}].${scaler.type}\` cannot see which jobs are in hand, and \`spec.scaleDown.protect\` is 'busy': ` +
      `must have ${way}, or set \`scaleDown.protect: grace\``;
    return [{ rule: "blind-protect", message, path }];
  });
}

/** What would give a trigger its sight. */
function blindWay(type: string, query: unknown): string {
  if (get(query, "list") !== undefined) return `\`${type}.list.processing\` (the list that workers move jobs to)`;
  return "a source that shows running jobs";
}

/** An inline address is written by whoever writes the ScaledWorker: a credential must not be lent to it. */
function checkInline(document: unknown): readonly Complaint[] {
  return listAt(document, "spec", "triggers").flatMap((trigger, index) => {
    const path = ["spec", "triggers", index, "inline"];
    return checkSecrets(get(trigger, "inline"), path, "inline");
  });
}

function checkSecrets(value: unknown, path: readonly PropertyKey[], where: "connection" | "inline"): readonly Complaint[] {
  if (typeof value === "string") {
    if (!hasPassword(value)) return [];
    const way =
      where === "inline" ? "use a QueueConnection with `passwordFrom`" : "use `passwordFrom`, or `urlFrom` for the whole URL";
    return [{ rule: "password-in-url", message: `\`${pathText(path)}\` must not carry a password: ${way}`, path }];
  }
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const at = [...path, Array.isArray(value) ? Number(key) : key];
    if (where === "inline" && key.endsWith("From")) {
      const message = `\`${pathText(at)}\` must not stand in an inline connection: a credential needs a QueueConnection`;
      return [{ rule: "inline-credential", message, path: at, atKey: true }];
    }
    if (get(inner, "secretKeyRef") !== undefined && key.endsWith("From")) {
      const message = `\`${pathText(at)}.secretKeyRef\` must not be used outside a cluster: use \`env\` or \`file\``;
      return [{ rule: "cluster-only", message, path: [...at, "secretKeyRef"], atKey: true }];
    }
    return checkSecrets(inner, at, where);
  });
}

/** A document as the checks over several documents see it. */
export type Declared = Readonly<{ kind: Kind; namespace: string; name: string; document: unknown; title: string }>;

/** What the identity of a document is, as far as it can be told. */
export function declare(kind: Kind, document: unknown): Declared | undefined {
  const name = get(document, "metadata", "name");
  const namespace = get(document, "metadata", "namespace") ?? "default";
  if (typeof name !== "string" || typeof namespace !== "string") return undefined;
  return { kind, namespace, name, document, title: `${kind} ${namespace}/${name}` };
}

/** Rules over all documents: `index` says to which one a complaint belongs. */
export function checkTogether(
  all: readonly Declared[],
  scalers: readonly AnyScaler[],
): readonly (Complaint & { of: Declared })[] {
  return [...checkDuplicates(all), ...checkConnections(all, scalers), ...checkShared(all, scalers)];
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

function checkConnections(all: readonly Declared[], scalers: readonly AnyScaler[]) {
  const workers = all.filter(({ kind }) => kind === "ScaledWorker");
  return workers.flatMap((of) =>
    listAt(of.document, "spec", "triggers").flatMap((trigger, index) => {
      const name = get(trigger, "connection");
      const path = ["spec", "triggers", index, "connection"];
      if (typeof name !== "string") return [];
      const near = all.filter(({ kind, namespace }) => kind === "QueueConnection" && namespace === of.namespace);
      const connection = near.find((other) => other.name === name);
      if (!connection)
        return [{ of, rule: "unknown-connection", message: unknownConnection(name, of.namespace, near, path), path }];
      const broker = scalers.find(({ type }) => get(trigger, type) !== undefined)?.broker;
      const given = Object.keys(Object(get(connection.document, "spec")));
      if (broker === undefined || given.length !== 1 || given.includes(broker)) return [];
      const message = `\`${pathText(path)}\` must name a QueueConnection with \`${broker}\`; '${name}' has \`${given[0]}\``;
      return [{ of, rule: "connection-type", message, path }];
    }),
  );
}

function unknownConnection(name: string, namespace: string, near: readonly Declared[], path: readonly PropertyKey[]): string {
  const names = near.map((other) => other.name);
  const hint = didYouMean(name, names);
  const way = hint ? `did you mean '${hint}'?` : names.length > 0 ? `there are '${names.join("', '")}'` : "there is none";
  return `\`${pathText(path)}\` must name a QueueConnection in namespace '${namespace}': ${way}; found '${name}'`;
}

/** Two pools that each size themselves by the whole of one queue grow to twice what it needs. */
function checkShared(all: readonly Declared[], scalers: readonly AnyScaler[]) {
  const seen = new Map<string, Declared>();
  return all
    .filter(({ kind }) => kind === "ScaledWorker")
    .flatMap((of) =>
      listAt(of.document, "spec", "triggers").flatMap((trigger, index) => {
        const scaler = scalers.find(({ type }) => get(trigger, type) !== undefined);
        if (!scaler) return [];
        const key = JSON.stringify([
          of.namespace,
          get(trigger, "connection"),
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
