import { type ClusterView, clusterFindings } from "./cluster-findings.ts";
import type { Api } from "./define.ts";
import { digestOf } from "./digest.ts";
import { apiVersion } from "./meta.ts";
import { type ObjectFinding, type ParsedObject, parseObject } from "./object.ts";
import { get, textOf } from "./tree.ts";

const reviewVersion = "admission.k8s.io/v1";

/** The answer to an `AdmissionReview`, as the API server takes it. */
export type AdmissionReview = Readonly<{
  apiVersion: typeof reviewVersion;
  kind: "AdmissionReview";
  response: Readonly<{
    uid: string;
    allowed: boolean;
    status?: Readonly<{ code: number; reason: string; message: string }>;
    warnings?: readonly string[];
  }>;
}>;

/** The question is none: an HTTP status of 400. */
export class ReviewError extends Error {}

/**
 * Answers an `AdmissionReview` of one of our objects: errors refuse it, warnings are shown to whoever applies it. What
 * changes nothing that we read, and what is being deleted, passes; what was wrong before is not held against a change.
 *
 * @throws ReviewError where `review` is no question of `admission.k8s.io/v1`.
 */
export async function answerReview(review: unknown, api: Api, view: ClusterView): Promise<AdmissionReview> {
  const request = get(review, "request");
  const uid = get(request, "uid");
  if (get(review, "apiVersion") !== reviewVersion || get(review, "kind") !== "AdmissionReview" || typeof uid !== "string") {
    throw new ReviewError(`must be an AdmissionReview of ${reviewVersion} with a request`);
  }
  const findings = isOurs(request) ? await findingsOf(get(request, "object"), get(request, "oldObject"), api, view) : [];
  const errors = findings.filter(({ severity }) => severity === "error").map(lineOf);
  const warnings = findings.filter(({ severity }) => severity === "warning").map(lineOf);
  return {
    apiVersion: reviewVersion,
    kind: "AdmissionReview",
    response: {
      uid,
      allowed: errors.length === 0,
      ...(errors.length === 0 ? {} : { status: { code: 422, reason: "Invalid", message: listed(errors) } }),
      ...(warnings.length === 0 ? {} : { warnings }),
    },
  };
}

function isOurs(request: unknown): boolean {
  const created = ["CREATE", "UPDATE"].includes(textOf(get(request, "operation")));
  const group = get(request, "kind", "group");
  return created && group === apiVersion.split("/")[0] && !get(request, "subResource");
}

async function findingsOf(object: unknown, before: unknown, api: Api, view: ClusterView): Promise<readonly ObjectFinding[]> {
  const parsed = parseObject(object, api);
  if (parsed.deleting || (before && meaning(before) === meaning(object))) return [];
  if (parsed.worker === undefined) return parsed.findings;
  const around = await clusterFindings(parsed.worker, view);
  return [...parsed.findings, ...around.map((finding) => ({ ...finding, severity: severityOf(finding, parsed, before, api) }))];
}

/** A ScaledWorker that shares its target already must still be editable: only a change that brings it about is refused. */
function severityOf(finding: ObjectFinding, { worker }: ParsedObject, before: unknown, api: Api): ObjectFinding["severity"] {
  const former = before ? parseObject(before, api).worker : undefined;
  const same =
    former !== undefined && digestOf([former.target, former.rules.mode]) === digestOf([worker?.target, worker?.rules.mode]);
  return same && finding.path === "spec.target" ? "warning" : finding.severity;
}

/** All of an object that says what it wants. */
function meaning(object: unknown): string {
  const annotations = Object.entries(Object(get(object, "metadata", "annotations")));
  return digestOf([get(object, "spec") ?? null, annotations.filter(([key]) => key.startsWith("worktide.dev/"))]);
}

const lineOf = ({ path, message }: ObjectFinding) =>
  path === undefined || message.includes(`\`${path}`) ? message : `${path}: ${message}`;

function listed(lines: readonly string[]): string {
  return lines.length === 1 ? (lines[0] ?? "") : `${lines.length} errors:\n${lines.map((line) => `  - ${line}`).join("\n")}`;
}
