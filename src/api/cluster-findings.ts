import { brokersOf } from "./brokers-of.ts";
import type { ObjectFinding } from "./object.ts";
import { type Offer, wrongReference } from "./reference-check.ts";
import type { ScaledWorker } from "./resolve.ts";
import type { ConnectionRef, Trigger } from "./resolve-rules.ts";
import type { ScaleTarget } from "./resolve-target.ts";

type Soon<T> = T | Promise<T>;

/** What is known of the cluster around a ScaledWorker. Undefined is "not known", and no reason to complain. */
export interface ClusterView {
  /** The connection that a trigger refers to; null where there is none. */
  connection(ref: Exclude<ConnectionRef, { kind: "inline" }>): Soon<Offer | null | undefined>;
  /** Names of the ScaledWorkers of this namespace that have this target. */
  workersOn(namespace: string, target: ScaleTarget["ref"]): Soon<readonly string[] | undefined>;
  /** Names of the HorizontalPodAutoscalers of this namespace that have this target. */
  autoscalersOn(namespace: string, target: ScaleTarget["ref"]): Soon<readonly string[] | undefined>;
  /** Whether the kind of the target has a `/scale` subresource; null where the API server has no such kind. */
  scalable(target: Pick<ScaleTarget["ref"], "apiVersion" | "kind">): Soon<boolean | null | undefined>;
  /** Whether the target is there. */
  exists(namespace: string, target: ScaleTarget["ref"]): Soon<boolean | undefined>;
}

/**
 * What is wrong with a ScaledWorker in its cluster. Errors are what cannot become right by itself; what may still come
 * (a connection, a target) is a warning. Never rejects unless `view` does.
 */
export async function clusterFindings(worker: ScaledWorker, view: ClusterView): Promise<readonly ObjectFinding[]> {
  const { target } = worker;
  const references = worker.triggers.map((trigger, index) => checkReference(trigger, index, worker, view));
  const found = await Promise.all([target.kind === "scale" ? checkTarget(target.ref, worker, view) : [], ...references]);
  return found.flat();
}

async function checkReference(
  { connection, scaler }: Trigger,
  index: number,
  { namespace }: ScaledWorker,
  view: ClusterView,
): Promise<readonly ObjectFinding[]> {
  if (connection.kind === "inline") return [];
  const [kind, field] =
    connection.kind === "named"
      ? (["QueueConnection", "connection"] as const)
      : (["ClusterQueueConnection", "clusterConnection"] as const);
  const found = await view.connection(connection);
  if (found === undefined) return [];
  const path = ["spec", "triggers", index, field];
  const { name } = connection;
  const wrong = wrongReference({ kind, name, namespace, path, brokers: brokersOf(scaler), found: found ?? undefined });
  if (wrong === undefined) return [];
  const { rule, message } = wrong;
  const severity = rule === "connection-type" ? "error" : "warning"; // the others may still come
  return [{ severity, rule, message, path: `spec.triggers[${index}].${field}` }];
}

async function checkTarget(ref: ScaleTarget["ref"], worker: ScaledWorker, view: ClusterView): Promise<readonly ObjectFinding[]> {
  const { namespace, name, rules } = worker;
  const title = `${ref.kind} '${ref.name}'`;
  const finding = (severity: ObjectFinding["severity"], rule: string, says: string): ObjectFinding => ({
    severity,
    rule,
    message: `\`spec.target\` ${says}`,
    path: "spec.target",
  });
  const scalable = await view.scalable(ref);
  if (scalable === null)
    return [finding("warning", "target-missing", `must be of a kind that is there: ${ref.apiVersion} has no ${ref.kind}`)];
  if (scalable === false) {
    return [finding("error", "target-scale", `must have a \`/scale\` subresource: ${ref.apiVersion} ${ref.kind} has none`)];
  }
  const [workers, autoscalers, exists] = await Promise.all([
    view.workersOn(namespace, ref),
    view.autoscalersOn(namespace, ref),
    view.exists(namespace, ref),
  ]);
  const others = (workers ?? []).filter((other) => other !== name);
  const found: ObjectFinding[] = [];
  if (others[0] !== undefined) {
    found.push(
      finding("error", "shared-target", `must not be the target of another ScaledWorker: '${others[0]}' scales ${title} too`),
    );
  }
  if (autoscalers?.[0] !== undefined) {
    // Side by side with what is to be replaced, to compare: nothing is written then.
    const severity = rules.mode === "Observe" ? "warning" : "error";
    const says = `must not be the target of a HorizontalPodAutoscaler: '${autoscalers[0]}' scales ${title} too; delete it, or set \`spec.mode: Observe\``;
    found.push(finding(severity, "target-autoscaled", says));
  }
  if (exists === false)
    found.push(finding("warning", "target-missing", `must be there: namespace '${namespace}' has no ${title} yet`));
  return found;
}
