import type { AnyScaler } from "../core/contract.ts";
import type { Rules } from "../core/spec.ts";
import { digestOf } from "./digest.ts";
import { annotatedPause, joined, type Pause } from "./pause.ts";
import { admits } from "./reference-check.ts";
import { type Known, resolveTrigger, rulesOf } from "./resolve-rules.ts";
import { resolveTarget } from "./resolve-target.ts";
import type { ScaledWorkerDocument } from "./scaled-worker.ts";

/** How a trigger reaches its queue. */
export type ConnectionRef =
  | Readonly<{ kind: "named"; namespace: string; name: string }>
  /** A ClusterQueueConnection, asked for from this namespace. */
  | Readonly<{ kind: "cluster"; namespace: string; name: string }>
  /** `inherent`: its broker needs no address, see {@link import("../core/contract.ts").Broker.inherent}. */
  | Readonly<{ kind: "inline"; type: string; settings: unknown; inherent?: true }>;

/** One trigger for the observer; the rules' half of it stands in {@link Rules.triggers}, in the same order. */
export type Trigger = Readonly<{
  name: string;
  scaler: AnyScaler;
  /** Parsed by the scaler's own schema. */
  query: unknown;
  connection: ConnectionRef;
  intervalMs: number;
}>;

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

/** A ScaledWorker as the control loop takes it: defaults applied, times in ms. */
export type ScaledWorker = Readonly<{
  namespace: string;
  name: string;
  /** "namespace/name". */
  key: string;
  /** `metadata.uid`: of an object of the API server only. */
  uid?: string;
  /** `metadata.generation`; in a file 1 when parsed, and {@link carryGenerations} raises it with each change. */
  generation: number;
  /** Equal for documents that mean the same, whatever their layout. */
  digest: string;
  rules: Rules;
  triggers: readonly Trigger[];
  target: TargetSpec;
  /** What becomes of the target when the ScaledWorker is deleted. */
  onDelete: "Keep" | "Restore";
  /** By spec and by annotation. The rules hold all of them: see {@link withoutEndedPauses}. */
  pauses: readonly Pause[];
}>;

/** A QueueConnection or ClusterQueueConnection; its settings as declared, with references to secrets in place of secrets. */
export type QueueConnection = Readonly<{
  kind: "QueueConnection" | "ClusterQueueConnection";
  /** Where the Secrets are that it refers to: its own namespace, or the `secretNamespace` of a ClusterQueueConnection. */
  namespace: string;
  name: string;
  /** See {@link connectionKey}. */
  key: string;
  /** Of a ClusterQueueConnection: who may use it. */
  namespaces?: readonly string[];
  type: string;
  settings: unknown;
  digest: string;
}>;

/** @param folder Folder of the file: relative paths count from it. */
export function resolveWorker(document: ScaledWorkerDocument, known: Known, folder: string): ScaledWorker {
  const { metadata, spec } = document;
  const { name, namespace } = metadata;
  const triggers = spec.triggers.map((trigger) => resolveTrigger(trigger, known, namespace));
  const pauses = pausesOf(document);
  const rules = rulesOf(spec, triggers, joined(pauses));
  const target = resolveTarget(spec.target, folder);
  const { onDelete } = spec;
  const named = triggers.map(({ scaler, ...rest }) => ({ ...rest, scaler: scaler.type }));
  const digest = digestOf({ rules, triggers: named, target, onDelete, pauses });
  return { namespace, name, key: `${namespace}/${name}`, generation: 1, digest, rules, triggers, target, onDelete, pauses };
}

/** The worker without the pauses that are over at this moment of the wall clock, ms since 1970; the same one where none is. */
export function withoutEndedPauses(worker: ScaledWorker, now: number): ScaledWorker {
  const pauses = worker.pauses.filter(({ until }) => until === undefined || until > now);
  if (pauses.length === worker.pauses.length) return worker;
  const { pause: _, ...rules } = worker.rules;
  const pause = joined(pauses);
  return { ...worker, pauses, rules: pause ? { ...rules, pause } : rules };
}

/** What the annotations ask for comes first: it is the newer wish. */
function pausesOf({ metadata, spec }: ScaledWorkerDocument): readonly Pause[] {
  const annotated = annotatedPause(metadata.annotations).pause;
  if (spec.pause === undefined) return annotated === undefined ? [] : [annotated];
  const { until, ...rest } = spec.pause;
  const declared = { ...rest, ...(until === undefined ? {} : { until: Date.parse(until) }) };
  return annotated === undefined ? [declared] : [annotated, declared];
}

/** By what a connection is found: "namespace/name", or "name" of a ClusterQueueConnection. */
export function connectionKey(
  ref: Readonly<{ kind: "named"; namespace: string; name: string } | { kind: "cluster"; name: string }>,
): string {
  return ref.kind === "named" ? `${ref.namespace}/${ref.name}` : ref.name;
}

/** Whether ScaledWorkers of this namespace may use a connection. */
export function mayUse(connection: QueueConnection, namespace: string): boolean {
  if (connection.namespaces === undefined) return connection.namespace === namespace;
  return admits(connection.namespaces, namespace);
}

/** The workers of a new version of the files, each with the generation that follows from the one before it. */
export function carryGenerations(before: readonly ScaledWorker[], after: readonly ScaledWorker[]): readonly ScaledWorker[] {
  return after.map((worker) => {
    const previous = before.find(({ key }) => key === worker.key);
    if (!previous) return worker;
    const generation = previous.digest === worker.digest ? previous.generation : previous.generation + 1;
    return { ...worker, generation, rules: { ...worker.rules, generation } };
  });
}
