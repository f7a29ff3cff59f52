import type { ParsedObject } from "../api/object.ts";
import { type ScaledWorkerStatus, type StatusCondition, workerConditions } from "../api/status.ts";
import type { Condition } from "../control/conditions.ts";
import type { TriggerSnapshot, WorkerSnapshot } from "../control/worker-snapshot.ts";

/** What only a user can end: `kstatus` shows such a thing as failed, not as busy. */
const usersOwn: ReadonlySet<string> = new Set<string>([
  "InvalidSpec",
  "TargetNotFound",
  "ConnectionNotFound",
  "SecretNotFound",
  "QueueNotFound",
  "Forbidden",
  "Conflict",
  "TargetNotScalable",
]);

const states = { known: "Fresh", stale: "Stale", unknown: "Unknown" } as const;
const longestMessage = 1024;

/** What of a worker goes into its status. */
export type Seen = Pick<
  WorkerSnapshot,
  "generation" | "generatedAt" | "pool" | "decision" | "lastChange" | "changes" | "triggers" | "conditions"
>;

/** What is scaled: its name, for `kubectl get`, and what of it must outlive this process. */
export type Scaled = Readonly<{
  name?: string | undefined;
  memory?: ScaledWorkerStatus["size"] | undefined;
}>;

/** A spec that cannot be put in force. */
export type Refused = Readonly<{ generation: number; reason: "InvalidSpec" | "Conflict"; message: string }>;

/** A worker whose newest spec was refused: `before` is how the one in force stands, where there is one. */
export function refusedWorker(before: Seen | undefined, { generation, reason, message }: Refused, at: string): Seen {
  const unknown = { status: "Unknown", reason, message: "", since: at } as const;
  const conditions = before?.conditions ?? workerConditions.map((type) => ({ type, ...unknown }));
  const refused = { status: "False", reason, message, since: at } as const;
  const base = before ?? { generatedAt: at, changes: [], triggers: [] };
  return { ...base, generation, conditions: conditions.map((each) => (each.type === "Ready" ? { ...each, ...refused } : each)) };
}

/**
 * The status of a ScaledWorker as it is now. Live figures (backlog, ages) are not in it, they are for metrics, page and
 * `explain`: so it differs from the one before only when something turned. Conditions take the time of their last flip
 * over from `published`, whoever wrote that one.
 */
export function statusOf(seen: Seen, { name: target, memory }: Scaled, published: ScaledWorkerStatus = {}): ScaledWorkerStatus {
  const size = memory ?? published.size;
  const { generation, pool, decision, lastChange, changes } = seen;
  const { lastScaleTime, lastDecision } = published;
  const change = lastChange && changes.find(({ from, to }) => from === lastChange.from && to === lastChange.to);
  return {
    observedGeneration: generation,
    ...(target !== undefined && { target }),
    ...(pool && { replicas: pool.existing }),
    ...(decision && { desired: decision.to }),
    reason: telling(seen.conditions),
    triggers: seen.triggers.map(triggerOf),
    conditions: conditionsOf(seen, published.conditions ?? []),
    ...(lastChange ? { lastScaleTime: lastChange.at } : lastScaleTime && { lastScaleTime }),
    ...(lastChange
      ? {
          lastDecision: {
            id: change?.id.slice(change.id.lastIndexOf("#") + 1) ?? "0",
            time: lastChange.at,
            from: lastChange.from,
            to: lastChange.to,
            reason: lastChange.reason,
            message: (change?.summary ?? "").slice(0, longestMessage),
          },
        }
      : lastDecision && { lastDecision }),
    ...(size && { size }),
  };
}

function triggerOf({ name, type, state, problem }: TriggerSnapshot) {
  return { name, type, state: states[state], ...(problem && { message: placeless(problem.message).slice(0, longestMessage) }) };
}

function conditionsOf(seen: Seen, before: readonly StatusCondition[]): StatusCondition[] {
  const { generation, generatedAt, decision, conditions } = seen;
  const ready = conditions.find(({ type }) => type === "Ready");
  const abnormal = [
    ...(ready === undefined ? [] : stalled(ready)),
    ...(decision === undefined && ready?.status !== "False"
      ? [{ type: "Reconciling", status: "True", reason: "NewGeneration", message: "", since: generatedAt } as const]
      : []),
  ];
  return [...conditions, ...abnormal].map(({ since, ...condition }) =>
    stamped({ ...condition, message: placeless(condition.message), observedGeneration: generation }, since, before),
  );
}

/** Without the addresses of failed dials: whoever reads a status may not be let to read the Secret that they stand in. */
export const placeless = (message: string): string =>
  message.replace(/\b(ECONN[A-Z]+|ETIMEDOUT|EHOST[A-Z]+|ENET[A-Z]+|ENOTFOUND|EAI_[A-Z]+) [^\s,;]+/g, "$1");

/** The condition beside Ready that is there only while somebody must act. */
export const stalled = <Ready extends Pick<StatusCondition, "status" | "reason">>(ready: Ready) =>
  ready.status === "False" && usersOwn.has(ready.reason) ? [{ ...ready, type: "Stalled", status: "True" } as const] : [];

/** The condition with the time of its last flip: that of `before` while its status is the same, else `since`. */
export function stamped(
  condition: Omit<StatusCondition, "lastTransitionTime">,
  since: string,
  before: readonly StatusCondition[] = [],
): StatusCondition {
  const same = before.find(({ type, status }) => type === condition.type && status === condition.status);
  return { ...condition, lastTransitionTime: same?.lastTransitionTime ?? since };
}

/** The most telling of the reasons, for the column of `kubectl get`, which cannot choose. */
function telling(conditions: readonly Condition[]): string {
  const [ready, active, fresh, limited, paused] = (["Ready", "Active", "ReadingsFresh", "ScalingLimited", "Paused"] as const).map(
    (type) => conditions.find((condition) => condition.type === type),
  );
  if (ready?.status !== "True") return ready?.reason ?? "Starting";
  if (paused?.status === "True") return paused.reason;
  if (fresh?.status === "False") return fresh.reason;
  // A pool that sleeps is limited by its minimum: that it is empty tells more.
  if (limited?.status === "True" && limited.reason !== "AtMinimum") return limited.reason;
  return active?.reason ?? "Starting";
}

/** What a status says, without words and times that move by themselves: while it is equal there is nothing to write. */
export function meaningOf({ conditions = [], triggers = [], lastDecision: _, ...rest }: ScaledWorkerStatus): unknown {
  return [rest, turnsOf(conditions), triggers.map(({ name, type, state }) => [name, type, state])];
}

/** What of conditions turns: their words and times move by themselves. */
export const turnsOf = (conditions: readonly StatusCondition[]): unknown =>
  conditions.map(({ type, status, reason, observedGeneration }) => [type, status, reason, observedGeneration]);

/** All errors of an object in one message; undefined without any. */
export function errorsOf({ findings }: ParsedObject): string | undefined {
  const errors = findings.filter(({ severity }) => severity === "error").map(({ message }) => message);
  return errors.length === 0 ? undefined : errors.join("; ").slice(0, longestMessage);
}

/** Why the newest spec cannot be put in force; undefined where it can. */
export function refusalOf(object: ParsedObject | undefined): Refused | undefined {
  if (object === undefined || object.worker !== undefined) return undefined;
  return { generation: object.generation, reason: "InvalidSpec", message: errorsOf(object) ?? "" };
}
