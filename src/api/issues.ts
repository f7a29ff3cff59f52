import type { z } from "zod";
import { type Complaint, pathText } from "./finding.ts";
import { type JsonSchema, mustBe, schemaAt } from "./json-schema.ts";
import { commandText, isSensitive, isSetting, redact } from "./redact.ts";
import { didYouMean } from "./suggest.ts";

type Issue = z.core.$ZodIssue;

/** A document that was parsed, and what its schema allows. */
export type Checked = Readonly<{
  schema: JsonSchema;
  value: unknown;
  /** The text of a scalar as it stands in the file (".inf", "1e9"); undefined for others. */
  source(path: readonly PropertyKey[]): string | undefined;
}>;

/**
 * What zod found, as sentences for people: what is allowed comes from the JSON Schema of the same field, so that every
 * scaler's and broker's schema speaks alike. One complaint per field, and one per slip of the pen.
 */
export function complaintsOf(issues: readonly Issue[], checked: Checked): readonly Complaint[] {
  const meant = issues.flatMap((issue) => meantBy(issue, checked.schema));
  const complaints = issues
    .filter((issue) => !muted(issue, issues, meant) && !isMeant(issue, meant, checked.value))
    .flatMap((issue) => complaintsOfIssue(issue, checked));
  const seen = new Set<string>();
  return complaints.filter(({ path }) => !seen.has(pathText(path)) && seen.add(pathText(path)));
}

function complaintsOfIssue(issue: Issue, checked: Checked): Complaint[] {
  const { path } = issue;
  const schema = schemaAt(checked.schema, path);
  const field = `\`${pathText(path)}\``;
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => unknownField([...path, key], schema));
    case "invalid_key": {
      const must = mustBe(schemaAt(checked.schema, path.slice(0, -1))?.propertyNames);
      return [{ rule: "invalid-value", message: `${field}: the key ${must}`, path, atKey: true }];
    }
    case "custom": {
      const rule = typeof issue.params?.["rule"] === "string" ? issue.params["rule"] : "invalid-value";
      const message = issue.message.startsWith("must") ? `${field} ${issue.message}` : `${field}: ${issue.message}`;
      const telling = rule === "invalid-value" || rule.endsWith("-max") || rule.endsWith("-min");
      return [{ rule, message: redact(message + (telling ? foundText(path, schema, checked) : "")), path }];
    }
    default: {
      const must = mustBe(schema);
      if (valueAt(checked.value, path) === undefined)
        return [{ rule: "missing-field", message: `${field} is missing: it ${must}`, path }];
      const rule = issue.code === "invalid_type" ? "wrong-type" : "invalid-value";
      return [{ rule, message: `${field} ${must}${foundText(path, schema, checked)}`, path }];
    }
  }
}

function unknownField(path: readonly PropertyKey[], parent: JsonSchema | undefined): Complaint {
  const known = Object.keys(parent?.properties ?? {});
  const hint = didYouMean(String(path.at(-1)), known);
  const way = hint === undefined ? `known are ${known.map((key) => `\`${key}\``).join(", ")}` : `did you mean \`${hint}\`?`;
  return { rule: "unknown-field", message: `\`${redact(pathText(path))}\` is not a known field: ${way}`, path, atKey: true };
}

/** The fields that unknown keys are taken for: their absence is the same mistake. */
function meantBy(issue: Issue, schema: JsonSchema): readonly string[] {
  if (issue.code !== "unrecognized_keys") return [];
  const known = Object.keys(schemaAt(schema, issue.path)?.properties ?? {});
  return issue.keys.flatMap((key) => {
    const hint = didYouMean(key, known)?.split(".")[0]; // of "replicas.max" it is `replicas` that would be there
    return hint === undefined ? [] : pathText([...issue.path, hint]);
  });
}

function isMeant(issue: Issue, meant: readonly string[], value: unknown): boolean {
  return issue.code !== "custom" && meant.includes(pathText(issue.path)) && valueAt(value, issue.path) === undefined;
}

/** Another issue already tells of the same fault: see {@link import("./fields.ts").Mute}. */
function muted(issue: Issue, all: readonly Issue[], meant: readonly string[]): boolean {
  if (issue.code !== "custom") return false;
  const unlessUnknown = issue.params?.["unlessUnknown"] === true;
  const unlessInvalid = issue.params?.["unlessInvalid"];
  const own = pathText(issue.path);
  if (unlessUnknown && all.some((other) => other.code === "unrecognized_keys" && pathText(other.path) === own)) return true;
  if (!Array.isArray(unlessInvalid)) return false;
  const invalid = unlessInvalid.map((key) => pathText([...issue.path, String(key)]));
  if (meant.some((field) => invalid.includes(field))) return true;
  return all.some((other) => other !== issue && invalid.includes(pathText(other.path)));
}

const plainTypes = ["integer", "number", "boolean"];

/** "; found '1e9'": never for what may be a secret. */
function foundText(path: readonly PropertyKey[], schema: JsonSchema | undefined, { value, source }: Checked): string {
  const found = valueAt(value, path);
  if (Array.isArray(found)) return found.length === 0 ? "; found an empty list" : "; found a list";
  if (typeof found === "object" && found !== null) return "; found a map";
  if (found === null) return "; found nothing";
  const written = source(path) ?? String(found);
  const plain = plainTypes.includes(schema?.type ?? "");
  const isText = typeof found === "string";
  const setting = isSetting(valueAt(value, ["kind"]), path) && (isText || !plain);
  if (isSensitive(path) || setting || written.includes("@")) return `; found ${isText ? "text" : `a ${typeof found}`}`;
  // "4" in quotes looks like a number: the commonest slip beside 8080 and true among words.
  if (isText && plain && !Number.isNaN(Number(found || "?"))) return `; found text '${found}' (take away the quotes)`;
  const hint = !isText && mustBe(schema).startsWith("must be text") ? " (put it into quotes)" : "";
  return `; found '${commandText(written.split(" "), 60)}'${hint}`;
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root;
  for (const step of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[step];
  }
  return value;
}
