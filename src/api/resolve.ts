import type { Rules } from "../core/spec.ts";
import { digestOf } from "./digest.ts";
import { annotatedPause, joined, type Pause } from "./pause.ts";
import { admits } from "./reference-check.ts";
import { type Known, resolveTrigger, rulesOf, type Trigger } from "./resolve-rules.ts";
import { resolveTarget, type TargetSpec } from "./resolve-target.ts";
import type { ScaledWorkerDocument } from "./scaled-worker.ts";

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
  const triggers = once(spec.triggers.map((trigger) => resolveTrigger(trigger, known, namespace)));
  const pauses = pausesOf(document);
  const rules = rulesOf(spec, triggers, joined(pauses));
  const target = resolveTarget(spec.target, folder);
  const { onDelete } = spec;
  const named = triggers.map(({ scaler, ...rest }) => ({ ...rest, scaler: scaler.type }));
  const digest = digestOf({ rules, triggers: named, target, onDelete, pauses });
  return { namespace, name, key: `${namespace}/${name}`, generation: 1, digest, rules, triggers, target, onDelete, pauses };
}

/** Says of each trigger which other one counts its jobs as well. */
function once(triggers: readonly Trigger[]): readonly Trigger[] {
  return triggers.map((trigger) => {
    const by = triggers.find(({ scaler, query }) => scaler.covers?.(query, trigger.scaler.type, trigger.query));
    return by === undefined ? trigger : { ...trigger, countedBy: by.name };
  });
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
