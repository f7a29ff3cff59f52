import type { AnyBroker, AnyScaler } from "../core/contract.ts";
import type { Rules, TriggerRule } from "../core/spec.ts";
import { brokersOf, inherentBroker } from "./brokers-of.ts";
import { parseFormula } from "./formula.ts";
import { goalOf } from "./goal.ts";
import type { ScaledWorkerSpec } from "./scaled-worker.ts";
import type { TriggerSpec } from "./trigger.ts";

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
  /** Another trigger of the pool that counts the same jobs too: see {@link AnyScaler.covers}. */
  countedBy?: string;
}>;

export type Known = Readonly<{ scalers: readonly AnyScaler[]; brokers: readonly AnyBroker[] }>;

/** Throws where the trigger did not pass the schema. */
export function resolveTrigger(trigger: TriggerSpec, { scalers, brokers }: Known, namespace: string): Trigger {
  const fields: Readonly<Record<string, unknown>> = trigger;
  const scaler = scalers.find(({ type }) => fields[type] !== undefined);
  if (!scaler) throw new Error(`trigger ${trigger.name} has no scaler, and passed the schema`);
  const { name } = trigger;
  const connection = inherentOf(scaler, brokers, namespace) ?? referenceOf(trigger, scaler, namespace);
  return { name, scaler, query: fields[scaler.type], connection, intervalMs: trigger.every ?? scaler.everyMs };
}

/** A source that is there without a QueueConnection: the clock, the cluster. */
function inherentOf(scaler: AnyScaler, brokers: readonly AnyBroker[], namespace: string): ConnectionRef | undefined {
  const broker = inherentBroker(scaler, brokers);
  return broker && { kind: "inline", type: broker.type, settings: broker.inherent?.(namespace), inherent: true };
}

function referenceOf(
  { connection, clusterConnection, inline }: TriggerSpec,
  scaler: AnyScaler,
  namespace: string,
): ConnectionRef {
  if (connection !== undefined) return { kind: "named", namespace, name: connection };
  if (clusterConnection !== undefined) return { kind: "cluster", namespace, name: clusterConnection };
  const brokers = brokersOf(scaler);
  const type = brokers.find((broker) => inline?.[broker] !== undefined) ?? brokers[0] ?? "";
  return { kind: "inline", type, settings: inline?.[type] };
}

function formulaOf({ formula, triggers }: ScaledWorkerSpec): Pick<Rules, "formula"> {
  if (formula === undefined) return {};
  const parsed = parseFormula(
    formula,
    triggers.map(({ name }) => name),
  );
  if ("wrong" in parsed) throw new Error(`a formula that ${parsed.wrong} passed the checks`);
  return { formula: parsed };
}

/** What `decide` needs to know. @param triggers As resolved, in the order of the spec. */
export function rulesOf(spec: ScaledWorkerSpec, triggers: readonly Trigger[], pause: Rules["pause"]): Rules {
  const { min, max, idle, hardMax } = spec.replicas;
  const rules = spec.triggers.map(({ name, goal, activation }, index): TriggerRule => {
    const { intervalMs = 0, countedBy } = triggers[index] ?? {};
    return { name, goal: goalOf(goal), activation, intervalMs, ...(countedBy !== undefined && { countedBy }) };
  });
  return {
    generation: 1,
    replicas: { min, max, idle: idle ?? min, ...(hardMax && { hardMax }) },
    triggers: rules,
    ...formulaOf(spec),
    concurrency: spec.concurrency,
    scaleDown: { protect: spec.scaleDown.protect, cooldownMs: spec.scaleDown.cooldown },
    behavior: spec.behavior,
    ...(spec.fallback ? { fallback: spec.fallback } : {}),
    staleAfterMs: spec.staleAfter,
    mode: spec.mode,
    ...(pause ? { pause } : {}),
  };
}
