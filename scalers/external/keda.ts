import { createHash } from "node:crypto";
import { askEach } from "../../src/brokers/ask-each.ts";
import { monotonicMs } from "../../src/brokers/clock.ts";
import type { ExternalReader, MetricValue, ScaledObjectRef } from "../../src/brokers/external-client.ts";
import type { Problem, Result } from "../../src/core/contract.ts";
import type { Query } from "./query.ts";

type Asked = Pick<Query, "metadata" | "metric" | "name" | "namespace">;

/** What was asked with, by query; and per connection the names of its metrics, which GetMetricSpec tells. */
const refs = new WeakMap<ExternalReader, WeakMap<object, ScaledObjectRef>>();
const metrics = new WeakMap<ScaledObjectRef, string>();

/** As KEDA asks. A scaler that tells triggers apart by name must find another name for each. */
export function refOf(query: Asked, client: ExternalReader): ScaledObjectRef {
  const known = refs.get(client) ?? new WeakMap<object, ScaledObjectRef>();
  refs.set(client, known);
  const before = known.get(query);
  if (before) return before;
  const scalerMetadata = { ...query.metadata, ...client.metadata };
  const digest = createHash("sha256").update(JSON.stringify(query.metadata)).digest("hex").slice(0, 12);
  const ref = { name: query.name ?? `worktide-${digest}`, namespace: query.namespace ?? "default", scalerMetadata };
  known.set(query, ref);
  return ref;
}

/** Asks each once, side by side. */
export async function readKeda(
  client: ExternalReader,
  queries: readonly Query[],
  signal: AbortSignal,
): Promise<readonly Result[]> {
  const keys = queries.map((query) => JSON.stringify([query.metadata, query.metric, query.name, query.namespace]));
  const first = new Map(keys.map((key, at) => [key, queries[at]] as const));
  const results = await askEach(first.keys(), (key) => resultOf(client, first.get(key) as Query), signal);
  return keys.map((key): Result => {
    const found = results.get(key);
    if (found === undefined) return { problem: { kind: "internal", message: "it was not asked for" } };
    return "reading" in found ? found : { problem: found };
  });
}

/**
 * | IsActive | value | waiting                                                        |
 * |----------|-------|----------------------------------------------------------------|
 * | true     | n     | n, and 1 at least: to KEDA active is a reason for one replica   |
 * | false    | any   | 0: whether a value is worth a replica, the scaler decides       |
 */
async function resultOf(client: ExternalReader, query: Query): Promise<Readonly<{ reading: { waiting: number } }> | Problem> {
  const ref = refOf(query, client);
  const askedAt = monotonicMs();
  const [active, metricName] = await Promise.all([client.call("IsActive", ref), metricOf(client, query, ref)]);
  if (typeof metricName !== "string") return metricName;
  const { metricValues } = await client.call("GetMetrics", { scaledObjectRef: ref, metricName });
  const value = total(metricValues);
  if (typeof value !== "number") return value;
  const waiting = active.result ? Math.max(1, Math.ceil(value)) : 0;
  const reading = { waiting, epoch: client.epoch(), sampledAt: askedAt };
  return { reading };
}

async function metricOf(client: ExternalReader, { metric }: Query, ref: ScaledObjectRef): Promise<string | Problem> {
  const known = metric ?? metrics.get(ref);
  if (known !== undefined) return known;
  const { metricSpecs } = await client.call("GetMetricSpec", ref);
  const names = metricSpecs.map(({ metricName }) => metricName);
  const [name, ...more] = names;
  if (name === undefined) return { kind: "missing", message: "it has no metric for this metadata" };
  if (more.length > 0)
    return { kind: "invalid", message: `it has ${names.length} metrics: set \`metric\` to one of '${names.join("', '")}'` };
  metrics.set(ref, name);
  return name;
}

/** No value is no zero. Newer scalers fill in the one field, older ones the other. */
function total(values: readonly MetricValue[]): number | Problem {
  if (values.length === 0) return { kind: "missing", message: "it tells no value of the metric" };
  let sum = 0;
  for (const { metricValue, metricValueFloat } of values) {
    const value = metricValueFloat === 0 ? metricValue : metricValueFloat;
    if (!Number.isFinite(value) || value < 0)
      return { kind: "invalid", message: `it tells the value ${value}, which is no number of jobs` };
    sum += value;
  }
  return sum;
}
