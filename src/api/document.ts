import { checkDocument } from "./checks.ts";
import type { Api } from "./define.ts";
import type { Place } from "./fields.ts";
import { type Complaint, pathText } from "./finding.ts";
import { complaintsOf } from "./issues.ts";
import { apiVersion, type Kind, kinds } from "./meta.ts";
import { commandText } from "./redact.ts";
import { type QueueConnection, resolveWorker, type ScaledWorker } from "./resolve.ts";
import { resolveConnection } from "./resolve-connection.ts";
import { didYouMean } from "./suggest.ts";
import { textOf } from "./tree.ts";

export type ReadOptions = Readonly<{
  api: Api;
  place: Place;
  /** What relative paths count from. */
  folder: string;
  /** The text of a scalar as it stands in the file (".inf", "1e9"); undefined for others. */
  text(path: readonly PropertyKey[]): string | undefined;
}>;

/** One document, as far as it could be read: with a complaint that is an error neither `worker` nor `connection` is there. */
export type Read = Readonly<{
  kind?: Kind;
  worker?: ScaledWorker;
  connection?: QueueConnection;
  complaints: readonly Complaint[];
}>;

/** One document of unknown shape, and all that is wrong with it by itself; nothing is, of what is none of ours. Never throws. */
export function read(value: unknown, { api, place, folder, text }: ReadOptions): Read {
  if (place === "cluster" && isForeign(value)) return { complaints: [] };
  const kind = kindOf(value);
  if (typeof kind !== "string") return { complaints: [kind] };
  const parsed = schemaOf(kind, api).safeParse(value);
  const wrong = parsed.success ? [] : complaintsOf(parsed.error.issues, { schema: api.json[kind], value, source: text });
  const told = new Set(wrong.map(({ path }) => pathText(path)));
  const checks = checkDocument(kind, value, api, place).filter(({ path }) => !told.has(pathText(path)));
  const complaints = [...wrong, ...checks];
  if (!parsed.success || complaints.some(({ severity }) => severity !== "warning")) return { kind, complaints };
  if (parsed.data.kind === "ScaledWorker") return { kind, complaints, worker: resolveWorker(parsed.data, api, folder) };
  return { kind, complaints, connection: resolveConnection(parsed.data) };
}

/** An object of somebody else's, as they stand beside ours in a file for a cluster: a Deployment. */
function isForeign(value: unknown): boolean {
  const { apiVersion: version, kind } = Object(value) as Readonly<Record<string, unknown>>;
  if (typeof version !== "string" || typeof kind !== "string") return false;
  return version.split("/")[0] !== apiVersion.split("/")[0] && didYouMean(kind, kinds) === undefined;
}

function schemaOf(kind: Kind, api: Api): Api["scaledWorker"] | Api["queueConnection"] | Api["clusterQueueConnection"] {
  switch (kind) {
    case "ScaledWorker":
      return api.scaledWorker;
    case "QueueConnection":
      return api.queueConnection;
    case "ClusterQueueConnection":
      return api.clusterQueueConnection;
  }
}

/** The kind of a document, or what is wrong with its `apiVersion` or `kind`. */
function kindOf(value: unknown): Kind | Complaint {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { rule: "wrong-type", message: "a document must be a map with `apiVersion`, `kind`, `metadata` and `spec`", path: [] };
  }
  const { apiVersion: version, kind } = value as Readonly<Record<string, unknown>>;
  const known = kinds.find((one) => one === kind);
  if (!known) {
    const hint = typeof kind === "string" ? didYouMean(kind, kinds) : undefined;
    const must = `\`kind\` must be one of ${kinds.map((one) => `'${one}'`).join(", ")}`;
    const found = kind === undefined ? "; it is missing" : `; found '${shown(kind)}'${hint ? `: did you mean '${hint}'?` : ""}`;
    return { rule: "unknown-kind", message: must + found, path: ["kind"] };
  }
  if (version !== apiVersion) {
    const found = version === undefined ? "it is missing" : `found '${shown(version)}'`;
    return { rule: "unknown-api-version", message: `\`apiVersion\` must be '${apiVersion}'; ${found}`, path: ["apiVersion"] };
  }
  return known;
}

const shown = (value: unknown) => commandText(textOf(value).split(" "), 60);
