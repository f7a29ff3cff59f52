import { createHash } from "node:crypto";
import { isAbsolute, join } from "node:path";
import type { AnyScaler } from "../core/contract.ts";
import type { Rules, TriggerRule } from "../core/spec.ts";
import { goalOf } from "./goal.ts";
import type { ScaledWorkerDocument, TriggerSpec } from "./scaled-worker.ts";

/** How a trigger reaches its queue. */
export type ConnectionRef =
  | Readonly<{ kind: "named"; namespace: string; name: string }>
  | Readonly<{ kind: "inline"; type: string; settings: unknown }>;

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
  command: readonly string[];
  /** Relative to the folder of the file, joined to it. */
  cwd: string;
  env: Readonly<Record<string, string>>;
  stopSignal: NodeJS.Signals;
  stopGraceMs: number;
  logs: "Prefix" | "File" | "Discard";
}>;

/** A ScaledWorker as the control loop takes it: defaults applied, times in ms. */
export type ScaledWorker = Readonly<{
  namespace: string;
  name: string;
  /** "namespace/name". */
  key: string;
  /** 1 when parsed; {@link carryGenerations} raises it with each change. */
  generation: number;
  /** Equal for documents that mean the same, whatever their layout. */
  digest: string;
  rules: Rules;
  triggers: readonly Trigger[];
  target: ProcessTarget;
  /** When `spec.pause` ends by itself: wall clock, ms since 1970. The rules hold the pause until it is taken out. */
  pauseUntil?: number;
}>;

/** A QueueConnection; its settings as declared, with references to secrets in place of secrets. */
export type QueueConnection = Readonly<{
  namespace: string;
  name: string;
  key: string;
  type: string;
  settings: unknown;
  digest: string;
}>;

/** @param folder Folder of the file: relative paths count from it. */
export function resolveWorker(document: ScaledWorkerDocument, scalers: readonly AnyScaler[], folder: string): ScaledWorker {
  const { metadata, spec } = document;
  const { name, namespace } = metadata;
  const triggers = spec.triggers.map((trigger) => resolveTrigger(trigger, scalers, namespace));
  const rules = rulesOf(document, triggers);
  const { command, cwd, env, stopSignal, stopGrace, logs } = spec.target.process;
  const target = {
    kind: "process",
    command,
    cwd: isAbsolute(cwd) ? cwd : join(folder, cwd),
    env,
    stopSignal,
    stopGraceMs: stopGrace,
    logs,
  } as const;
  const pauseUntil = spec.pause?.until === undefined ? {} : { pauseUntil: Date.parse(spec.pause.until) };
  const named = triggers.map(({ scaler, ...rest }) => ({ ...rest, scaler: scaler.type }));
  const digest = digestOf({ rules, triggers: named, target, ...pauseUntil });
  return { namespace, name, key: `${namespace}/${name}`, generation: 1, digest, rules, triggers, target, ...pauseUntil };
}

function resolveTrigger(trigger: TriggerSpec, scalers: readonly AnyScaler[], namespace: string): Trigger {
  const fields: Readonly<Record<string, unknown>> = trigger;
  const scaler = scalers.find(({ type }) => fields[type] !== undefined);
  if (!scaler) throw new Error(`trigger ${trigger.name} has no scaler, and passed the schema`);
  const { name, connection, inline } = trigger;
  const reference: ConnectionRef =
    connection === undefined
      ? { kind: "inline", type: scaler.broker, settings: inline?.[scaler.broker] }
      : { kind: "named", namespace, name: connection };
  return { name, scaler, query: fields[scaler.type], connection: reference, intervalMs: trigger.every ?? scaler.everyMs };
}

function rulesOf({ spec }: ScaledWorkerDocument, triggers: readonly Trigger[]): Rules {
  const { min, max, idle } = spec.replicas;
  const rules = spec.triggers.map(
    ({ name, goal, activation }, index): TriggerRule => ({
      name,
      goal: goalOf(goal),
      activation,
      intervalMs: triggers[index]?.intervalMs ?? 0,
    }),
  );
  return {
    generation: 1,
    replicas: { min, max, idle: idle ?? min },
    triggers: rules,
    concurrency: spec.concurrency,
    scaleDown: { protect: spec.scaleDown.protect, cooldownMs: spec.scaleDown.cooldown },
    behavior: spec.behavior,
    ...(spec.fallback ? { fallback: spec.fallback } : {}),
    staleAfterMs: spec.staleAfter,
    mode: spec.mode,
    ...(spec.pause ? { pause: { directions: spec.pause.directions, reason: spec.pause.reason } } : {}),
  };
}

export function resolveConnection(
  metadata: { name: string; namespace: string },
  type: string,
  settings: unknown,
): QueueConnection {
  const { name, namespace } = metadata;
  return { namespace, name, key: `${namespace}/${name}`, type, settings, digest: digestOf({ type, settings }) };
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

/** The same for equal content, whatever the order of keys. */
export function digestOf(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value, sorted)).digest("hex").slice(0, 16);
}

function sorted(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
