import { isAbsolute, join } from "node:path";
import type { z } from "zod";
import { digestOf } from "./digest.ts";
import type { jobTarget } from "./job-target.ts";
import type { ScaledWorkerSpec } from "./scaled-worker.ts";

export type ProcessTarget = Readonly<{
  kind: "process";
  /** Program and arguments; no shell reads them. `${WORKTIDE_WORKER_ID}` and `${WORKTIDE_POOL}` are filled in. */
  command: readonly string[];
  /** Relative to the folder of the file, joined to it. */
  cwd: string;
  /** On top of worktide's own environment; values are filled in as `command` is. */
  env: Readonly<Record<string, string>>;
  stopSignal: NodeJS.Signals;
  stopGraceMs: number;
  logs: "Prefix" | "File" | "Discard";
}>;

/** Anything with a `/scale` subresource, in the namespace of the ScaledWorker. */
export type ScaleTarget = Readonly<{
  kind: "scale";
  ref: Readonly<{ apiVersion: string; kind: string; name: string }>;
}>;

type Labels = Readonly<Record<string, string>>;

/** Jobs of Kubernetes: one replica is one Job. */
export type JobTarget = Readonly<{
  kind: "job";
  template: Readonly<{
    metadata: Readonly<{ labels: Labels; annotations: Labels }>;
    /** A JobSpec of batch/v1 as it was declared; its pods' `restartPolicy` and `containers` are known to be there. */
    spec: Readonly<Record<string, unknown>>;
  }>;
  /** Equal for templates that mean the same: to tell Jobs of a former template. */
  templateDigest: string;
  /** `One`: a pod takes one job and ends. `Many`: it works until none is left. */
  takes: "One" | "Many";
  /** `Keep`: running Jobs of a former template go on. `Replace`: they are removed. */
  onTemplateChange: "Keep" | "Replace";
  successfulJobsHistoryLimit: number;
  failedJobsHistoryLimit: number;
  /** After so many failures in a row no Job is made for `initialMs`, doubled with each further one, at most `maxMs`. */
  backoff: Readonly<{ afterFailures: number; initialMs: number; maxMs: number }>;
}>;

/** What is scaled: `process` on this machine, the others in a cluster. */
export type TargetSpec = ProcessTarget | ScaleTarget | JobTarget;

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
