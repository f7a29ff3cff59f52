import type { AnyScaler } from "../core/contract.ts";
import type { Api } from "./define.ts";
import type { Place } from "./fields.ts";
import { type Complaint, pathText } from "./finding.ts";
import { parseFormula } from "./formula.ts";
import { type Visited, visited } from "./json-schema.ts";
import type { Kind } from "./meta.ts";
import { annotatedPause } from "./pause.ts";
import { checkPlaces, isInside } from "./places.ts";
import { hasPassword } from "./redact.ts";
import { get, listAt } from "./tree.ts";

/**
 * Rules over several fields of one document. They read the document as it stands in the file, so that they also speak
 * where another field is wrong; what has the wrong shape is the schema's to complain of.
 */
export function checkDocument(kind: Kind, document: unknown, { scalers, json }: Api, place: Place): readonly Complaint[] {
  const all = visited(json[kind], document);
  const plain = [...checkPlaces(all, place), ...checkSets(all)];
  if (kind !== "ScaledWorker") return [...checkSecrets(get(document, "spec"), ["spec"], "connection"), ...plain];
  const checks = [
    ...checkFallback(document),
    ...checkProtection(document, scalers),
    ...checkFormula(document),
    ...checkInline(document),
    ...checkDeletion(document),
    ...annotatedPause(Object(get(document, "metadata", "annotations"))).complaints,
  ];
  return [...checks, ...plain.filter(({ path }) => !checks.some((told) => isInside(path, told.path)))];
}

/** In a list that several may add to, nothing stands twice: the API server refuses it too. */
function checkSets(all: readonly Visited[]): readonly Complaint[] {
  return all.flatMap(({ path, schema, value }) => {
    if (schema.listType !== "set" || !Array.isArray(value)) return [];
    const twice = value.findIndex((item, at) => value.indexOf(item) < at);
    if (twice < 0) return [];
    const at = [...path, twice];
    return [{ rule: "duplicate-item", message: `\`${pathText(at)}\` must not stand twice in the list`, path: at }];
  });
}

/** Jobs have no size of their own to go back to. */
function checkDeletion(document: unknown): readonly Complaint[] {
  if (get(document, "spec", "onDelete") !== "Restore" || get(document, "spec", "target", "job") === undefined) return [];
  const path = ["spec", "onDelete"];
  return [{ rule: "restore-jobs", message: "`spec.onDelete` must be 'Keep' with `spec.target.job`; found 'Restore'", path }];
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

/** What the API server cannot tell: whether it is CEL, names triggers that there are, and gives a number. */
function checkFormula(document: unknown): readonly Complaint[] {
  const formula = get(document, "spec", "formula");
  const names = listAt(document, "spec", "triggers").map((trigger) => get(trigger, "name"));
  if (typeof formula !== "string" || formula === "" || !names.every((name) => typeof name === "string")) return [];
  const parsed = parseFormula(formula, [...new Set(names)]);
  if (!("wrong" in parsed)) return [];
  return [{ rule: "formula", message: `\`spec.formula\` ${parsed.wrong}; found '${formula}'`, path: ["spec", "formula"] }];
}

/** `protect: busy` needs to see who is busy: without it nothing would ever be removed, or anything. */
function checkProtection(document: unknown, scalers: readonly AnyScaler[]): readonly Complaint[] {
  const protect = get(document, "spec", "scaleDown", "protect") ?? "busy";
  if (protect !== "busy" || get(document, "spec", "target", "job") !== undefined) return []; // running Jobs are never removed
  const triggers = listAt(document, "spec", "triggers").map((trigger) => {
    const scaler = scalers.find(({ type }) => get(trigger, type) !== undefined);
    const query = scaler?.query.strict().safeParse(get(trigger, scaler.type));
    return scaler && query?.success ? { scaler, ...scaler.sight(query.data) } : undefined;
  });
  const seen = triggers.some((trigger) => trigger?.running ?? true);
  return triggers.flatMap((trigger, index) => {
    // Whoever asks for replicas outright has no jobs; the other triggers show who is busy.
    if (trigger === undefined || trigger.running || (trigger.scaler.wants && seen)) return [];
    const { type, wants } = trigger.scaler;
    const way = wants ? "a trigger beside it that shows running jobs" : (trigger.shownBy ?? "a source that shows running jobs");
    const path = ["spec", "triggers", index, type];
    const message =
      `\`spec.triggers[${index}].${type}\` cannot see which jobs are in hand, and \`spec.scaleDown.protect\` is 'busy': ` +
      `must have ${way}, or set \`scaleDown.protect: grace\``;
    return [{ rule: "blind-protect", message, path }];
  });
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
    return checkSecrets(inner, at, where);
  });
}
