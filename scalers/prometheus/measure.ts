import { type Instant, instant } from "../../src/brokers/prometheus.ts";
import type { WebReader } from "../../src/brokers/web-broker.ts";
import type { Problem } from "../../src/core/contract.ts";
import { timeQuery } from "./samples.ts";

/** One number, and how old the oldest sample is that it is made from, ms; undefined where nobody can tell. */
export type Measured = Readonly<{ value: number; ageMs: number | undefined }>;

/** What a query gives now. Throws BrokerError where there is no answer. */
export async function measure(client: WebReader, expression: string): Promise<Measured | Problem> {
  const times = timeQuery(expression);
  const [numbers, sampled] = await Promise.all([instant(client, expression), times ? instant(client, times) : undefined]);
  const value = numberOf(numbers);
  if (typeof value !== "number") return value;
  const keptMs = "kind" in numbers ? 0 : numbers.keptMs;
  if (sampled === undefined) return { value, ageMs: times === undefined ? undefined : keptMs };
  if ("kind" in sampled) return { value, ageMs: undefined };
  const [at] = sampled.values;
  if (at === undefined) {
    return { kind: "missing", message: `no series stands behind the ${value}: something like \`or vector(0)\` makes it up` };
  }
  // Both by the clock of Prometheus: that of this machine has no part in it.
  return { value, ageMs: Math.max(0, (sampled.at - at) * 1000) + Math.max(keptMs, sampled.keptMs) };
}

function numberOf(found: Instant | Problem): number | Problem {
  if ("kind" in found) return found;
  const [value, ...more] = found.values;
  if (value === undefined) return { kind: "missing", message: "the query finds no series" };
  if (more.length > 0) {
    const message = `the query gives ${found.values.length} numbers; must give one: \`sum(…)\` adds them up`;
    return { kind: "invalid", message };
  }
  if (!Number.isFinite(value) || value < 0) {
    return { kind: "invalid", message: `the query gives ${value}, which is not a number of jobs` };
  }
  return value;
}
