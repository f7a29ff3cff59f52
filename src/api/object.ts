import type { Api } from "./define.ts";
import { read } from "./document.ts";
import { type Complaint, type Finding, pathText } from "./finding.ts";
import type { Kind } from "./meta.ts";
import { redact } from "./redact.ts";
import type { QueueConnection, ScaledWorker } from "./resolve.ts";
import { get, textOf } from "./tree.ts";

/** A finding in an object of the API server, which has no lines. */
export type ObjectFinding = Omit<Finding, "file" | "line" | "column">;

/** One object of ours as the API server gives it. With an error among `findings`, neither `worker` nor `connection` is there. */
export type ParsedObject = Readonly<{
  /** Absent where the object is none of ours. */
  kind?: Kind;
  /** Empty for a ClusterQueueConnection. */
  namespace: string;
  name: string;
  uid: string;
  generation: number;
  /** `metadata.deletionTimestamp` is set. */
  deleting: boolean;
  finalizers: readonly string[];
  worker?: ScaledWorker;
  connection?: QueueConnection;
  findings: readonly ObjectFinding[];
}>;

/**
 * One ScaledWorker, QueueConnection or ClusterQueueConnection as JSON of the API server, with the checks of
 * `worktide check`. Status and what the server adds to `metadata` are left aside. Never throws.
 */
export function parseObject(object: unknown, api: Api): ParsedObject {
  const { metadata, spec, kind, apiVersion } = Object(object) as Readonly<Record<string, unknown>>;
  const { name, namespace, labels, annotations } = Object(metadata) as Readonly<Record<string, unknown>>;
  const identity = { name, ...(namespace === undefined || namespace === "" ? {} : { namespace }) };
  const own = { ...identity, ...(labels ? { labels } : {}), ...(annotations ? { annotations } : {}) };
  const document = Array.isArray(object) ? object : { apiVersion, kind, metadata: own, spec };
  const { complaints, worker, connection, ...rest } = read(document, {
    api,
    place: "cluster",
    folder: ".",
    text: () => undefined,
  });
  const generation = Number(get(metadata, "generation") ?? 1);
  const uid = textOf(get(metadata, "uid") ?? "");
  return {
    ...rest,
    namespace: textOf(namespace ?? ""),
    name: textOf(name ?? ""),
    uid,
    generation,
    deleting: get(metadata, "deletionTimestamp") !== undefined,
    finalizers: strings(get(metadata, "finalizers")),
    ...(worker ? { worker: { ...worker, uid, generation, rules: { ...worker.rules, generation } } } : {}),
    ...(connection ? { connection } : {}),
    findings: complaints.map(toFinding),
  };
}

const strings = (value: unknown): readonly string[] => (Array.isArray(value) ? value.map(textOf) : []);

function toFinding({ severity, rule, message, path }: Complaint): ObjectFinding {
  return { severity: severity ?? "error", rule, message: redact(message), ...(path.length > 0 ? { path: pathText(path) } : {}) };
}
