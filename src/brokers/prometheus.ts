import type { Problem } from "../core/contract.ts";
import { oneClause } from "./socket-problem.ts";
import { parseJson, refusalOf, type WebAnswer } from "./web.ts";
import { type WebReader, webBroker } from "./web-broker.ts";

/** Prometheus, or what speaks its query API: Thanos, Mimir, Cortex, VictoriaMetrics, managed ones. */
export const prometheusBroker = webBroker({
  type: "prometheus",
  summary: "Prometheus, or whatever answers its query API: Thanos, Mimir, VictoriaMetrics, managed services.",
  example: "http://prometheus.monitoring:9090",
  greeting: "/api/v1/query?query=1",
  welcome: (answer) => {
    const found = instantOf(answer);
    return "kind" in found ? found : undefined;
  },
});

/** What a query gave: the numbers of its series, and at which instant of the server's clock, seconds since 1970. */
export type Instant = Readonly<{
  values: readonly number[];
  at: number;
  /** For how long a cache has kept it, ms. */
  keptMs: number;
}>;

/** Longer ones go by POST, which not everybody who reads may send. */
const longestUrl = 2000;

/** An instant query: what Prometheus refuses is a Problem; throws BrokerError where there is no answer. */
export async function instant({ ask }: Pick<WebReader, "ask">, expression: string): Promise<Instant | Problem> {
  // To those who ask others in turn (Thanos): a part of the sum is no sum.
  const form = `${new URLSearchParams({ query: expression, partial_response: "false" })}`;
  const path = "/api/v1/query";
  return instantOf(await (form.length < longestUrl ? ask(`${path}?${form}`) : ask(path, form)));
}

type Answer = Readonly<{
  status?: unknown;
  error?: unknown;
  warnings?: unknown;
  data?: Readonly<{ resultType?: unknown; result?: unknown }>;
}>;

function instantOf(answer: WebAnswer): Instant | Problem {
  const parsed = parse(answer);
  if (parsed === undefined) {
    if (answer.status === 503) return { kind: "loading", message: "Prometheus is not ready yet (503)" };
    return refusalOf(answer) ?? { kind: "invalid", message: "answers with something that is not Prometheus' query API" };
  }
  if (typeof parsed.error === "string") return refused(answer.status, parsed.error);
  const problem = refusalOf(answer) ?? partial(parsed.warnings);
  if (problem) return problem;
  const { resultType, result } = parsed.data ?? {};
  const rows = resultType === "scalar" ? [{ value: result }] : result;
  if ((resultType !== "scalar" && resultType !== "vector") || !Array.isArray(rows)) {
    return { kind: "invalid", message: `the query gives a ${String(resultType)}; must give one number at one instant` };
  }
  const points = rows.map(pointOf);
  return { values: points.map(({ value }) => value), at: points[0]?.at ?? Number.NaN, keptMs: answer.keptMs };
}

/** Only what is Prometheus' own. */
function parse({ text }: WebAnswer): Answer | undefined {
  try {
    const value = parseJson(text) as Answer | null;
    return value?.status === "success" || value?.status === "error" ? value : undefined;
  } catch {
    return undefined;
  }
}

/** `[seconds, "number"]`; what is neither is no number. */
function pointOf(row: unknown): { at: number; value: number } {
  const point = typeof row === "object" && row !== null && "value" in row ? row.value : undefined;
  const [at, value] = Array.isArray(point) ? point : [];
  return {
    at: Number(at),
    value: typeof value === "string" && value !== "" ? Number(value.replace(/Inf$/, "Infinity")) : Number.NaN,
  };
}

function refused(status: number, error: string): Problem {
  const message = `Prometheus says: ${oneClause(error)}`;
  if (status === 401 || status === 403) return { kind: "auth", message };
  return { kind: status === 503 ? "timeout" : status === 429 ? "limit" : "invalid", message };
}

/** Of a source that did not answer, those who ask many tell by a warning. What begins with "PromQL" is about the query only. */
function partial(warnings: unknown): Problem | undefined {
  const found = Array.isArray(warnings) ? warnings.find((one) => !/^PromQL (info|warning)/.test(String(one))) : undefined;
  return found === undefined
    ? undefined
    : { kind: "unreachable", message: `only a part of it answers: ${oneClause(String(found))}` };
}
