import { isAbsolute, join } from "node:path";
import type { z } from "zod";
import { digestOf } from "./digest.ts";
import type { jobTarget } from "./job-target.ts";
import type { JobTarget, TargetSpec } from "./resolve.ts";
import type { ScaledWorkerSpec } from "./scaled-worker.ts";

/** @throws Error where the document did not pass the schema. */
export function resolveTarget({ process, job, ...object }: ScaledWorkerSpec["target"], folder: string): TargetSpec {
  if (job !== undefined) return resolveJob(job);
  if (process !== undefined) {
    const { cwd, stopGrace, ...rest } = process;
    return { kind: "process", ...rest, cwd: isAbsolute(cwd) ? cwd : join(folder, cwd), stopGraceMs: stopGrace };
  }
  const { apiVersion = "apps/v1", kind, name } = object;
  if (kind === undefined || name === undefined) throw new Error("a target without any of its kinds passed the schema");
  return { kind: "scale", ref: { apiVersion, kind, name } };
}

function resolveJob({ template, backoff, ...rest }: z.output<typeof jobTarget>): JobTarget {
  const { labels = {}, annotations = {} } = template.metadata ?? {};
  const whole = { metadata: { labels, annotations }, spec: template.spec };
  const { afterFailures, initial, max } = backoff;
  return {
    kind: "job",
    template: whole,
    templateDigest: digestOf(whole),
    ...rest,
    backoff: { afterFailures, initialMs: initial, maxMs: max },
  };
}
