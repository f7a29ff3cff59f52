import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Access } from "./access.ts";

/**
 * The API server's own record of what was asked of it: who, when, on which version, and with what answer. Sizes, Leases and
 * status with what was written; who read a size, and who made or deleted a pod or a Job, without it.
 */
const policy = {
  apiVersion: "audit.k8s.io/v1",
  kind: "Policy",
  omitStages: ["RequestReceived", "ResponseStarted"],
  rules: [
    {
      level: "RequestResponse",
      verbs: ["create", "update", "patch"],
      resources: [
        { group: "apps", resources: ["deployments/scale", "statefulsets/scale", "replicasets/scale"] },
        { group: "coordination.k8s.io", resources: ["leases"] },
        { group: "worktide.dev", resources: ["scaledworkers/status"] },
      ],
    },
    { level: "Metadata", verbs: ["get"], resources: [{ group: "apps", resources: ["deployments/scale", "statefulsets/scale"] }] },
    { level: "Metadata", verbs: ["create", "delete"], resources: [{ group: "", resources: ["pods"] }] },
    { level: "Metadata", verbs: ["create", "delete"], resources: [{ group: "batch", resources: ["jobs"] }] },
    { level: "None" },
  ],
};

const log = "audit.jsonl";

/** Writes the policy to `dir`; answers the flags of the API server that runs there. */
export async function auditFlags(dir: string): Promise<readonly string[]> {
  await writeFile(path.join(dir, "audit-policy.json"), JSON.stringify(policy));
  return ["--audit-policy-file=audit-policy.json", `--audit-log-path=${log}`];
}

/** One request and its answer. Times are RFC 3339 with microseconds. */
export type AuditEvent = Readonly<{
  verb: string;
  user: Readonly<{ username: string }>;
  objectRef?: Readonly<{ resource: string; subresource?: string; namespace?: string; name?: string }>;
  responseStatus?: Readonly<{ code?: number }>;
  requestObject?: unknown;
  responseObject?: unknown;
  /** When the request was there, and when its answer had gone. */
  requestReceivedTimestamp: string;
  stageTimestamp: string;
}>;

/** All that was asked about objects of a namespace, in the order of the answers. */
export async function auditOf(plane: Pick<Access, "kubeconfig">, namespace: string): Promise<readonly AuditEvent[]> {
  const text = await readFile(path.join(path.dirname(plane.kubeconfig), log), "utf8");
  const mark = `"namespace":"${namespace}"`;
  return text.split("\n").flatMap((line) => (line.includes(mark) && line.endsWith("}") ? [JSON.parse(line) as AuditEvent] : []));
}
