import type { Row, SqlAnswer, SqlReader } from "../../src/brokers/sql-client.ts";
import type { Problem, Result, Sample, Worker } from "../../src/core/contract.ts";
import type { SqlQuery } from "./query.ts";

/** Columns that are counts, and what they are in a reading. */
const counts = {
  waiting: "waiting",
  due_soon: "dueSoon",
  running: "running",
  reserved: "reserved",
  ceiling: "ceiling",
  enqueued: "enqueued",
  finished: "finished",
} as const;
const others = ["oldest_seconds", "busy", "queue"];
const known = [...Object.keys(counts), ...others];

const invalid = (message: string): Readonly<{ problem: Problem }> => ({ problem: { kind: "invalid", message } });

/** One batch: each distinct query is asked once. */
export async function readSql(client: SqlReader, queries: readonly SqlQuery[], signal: AbortSignal): Promise<readonly Result[]> {
  const answers = await client.ask(
    queries.map(({ query }) => query),
    signal,
  );
  return answers.map((answer, i) => toResult(queries[i] as SqlQuery, answer));
}

export function toResult(query: SqlQuery, answer: SqlAnswer): Result {
  if ("problem" in answer) return answer;
  const { columns, rows, epoch, askedAt: sampledAt } = answer;
  const wrong = wrongColumns(query, columns);
  if (wrong !== undefined) return invalid(wrong);
  const found = rowOf(query, rows);
  if (found === "empty") return { reading: { ...emptyOf(columns), epoch, sampledAt } };
  if ("problem" in found) return found;
  const sample = sampleOf(found.row, sampledAt);
  return "problem" in sample ? sample : { reading: { ...sample, epoch, sampledAt } };
}

/** One column alone may have any name. */
function wrongColumns({ queue }: SqlQuery, columns: readonly string[]): string | undefined {
  if (queue !== undefined && !columns.includes("queue")) return "the query must return a column `queue`, to tell its rows by";
  const told = columns.filter((column) => column !== "queue");
  const odd = told.length === 1 ? undefined : told.find((column) => !known.includes(column));
  return odd && `column \`${odd}\` is none of ${known.map((one) => `\`${one}\``).join(", ")}`;
}

function rowOf({ queue, withoutRow }: SqlQuery, rows: readonly Row[]) {
  if (queue === undefined) {
    if (rows.length === 1) return { row: rows[0] as Row };
    const way = rows.length === 0 ? "" : "; name one by `queue`";
    return invalid(`the query must return one row; found ${rows.length === 0 ? "none" : rows.length}${way}`);
  }
  const own = rows.filter((row) => String(row["queue"]) === queue);
  if (own.length > 1) return invalid(`the query must return one row for queue '${queue}'; found ${own.length}`);
  if (own[0]) return { row: own[0] };
  if (withoutRow === "Empty") return "empty" as const;
  return {
    problem: {
      kind: "missing",
      message: `no row for queue '${queue}' (\`withoutRow: Empty\` takes that for an empty one)`,
    } as Problem,
  };
}

/** Of what the query does not tell, a row that is not there tells nothing either. */
function emptyOf(columns: readonly string[]): Sample {
  const busy = columns.includes("busy");
  const running = busy || columns.includes("running");
  return { waiting: 0, ...(running && { running: 0 }), ...(busy && { workers: [], othersIdle: true }) };
}

type Numbers = { -readonly [Field in (typeof counts)[keyof typeof counts]]?: number };

function sampleOf(row: Row, seenAt: number): Sample | Readonly<{ problem: Problem }> {
  const numbers: Numbers = {};
  for (const column of Object.keys(row)) {
    if (others.includes(column)) continue;
    if (column === "ceiling" && row[column] === null) continue; // no limit
    const value = numberOf(row[column]);
    if (value === undefined || value < 0)
      return invalid(`column \`${column}\` must be a number, 0 or more; found ${say(row[column])}`);
    // Half a job is a job.
    numbers[counts[column as keyof typeof counts] ?? "waiting"] = Math.ceil(value);
  }
  const oldest = row["oldest_seconds"] ?? undefined;
  const oldestS = numberOf(oldest);
  if (oldest !== undefined && oldestS === undefined)
    return invalid(`column \`oldest_seconds\` must be a number; found ${say(oldest)}`);
  const age = oldestS === undefined || numbers.waiting === 0 ? undefined : { oldestMs: Math.max(0, oldestS * 1000) };
  const reason = numbers.ceiling === undefined ? undefined : { ceilingReason: `the query's \`ceiling\` is ${numbers.ceiling}` };
  return { ...numbers, ...age, ...reason, ...busyOf(row, numbers, seenAt) };
}

/** Who holds how many jobs. The database knows all holders, so whoever is not among them has nothing in hand. */
function busyOf(row: Row, { running }: Numbers, seenAt: number): Partial<Sample> | Readonly<{ problem: Problem }> {
  if (!("busy" in row)) return {};
  const held = row["busy"] === null ? (running === 0 ? new Map<string, number>() : undefined) : holders(row["busy"]);
  if (held === undefined && row["busy"] === null) {
    return running === undefined ? { runningUnknown: "column `busy` is NULL: give an empty list where nobody is busy" } : {};
  }
  if (held === undefined) {
    return invalid(`column \`busy\` must be a list of workers, or an object of workers and counts; found ${say(row["busy"])}`);
  }
  const workers = [...held].map(([name, busy]) => workerOf(name, busy, seenAt));
  const sum = workers.reduce((all, { busy }) => all + busy, 0);
  return { running: running ?? sum, workers, othersIdle: true };
}

/** Names of hosts often carry their domain; members are known by the first part. */
export function workerOf(name: string, busy: number, seenAt: number): Worker {
  const [host = name] = name.split(".");
  return { id: name, ...(host !== name && host !== "" && { host }), busy, seenAt };
}

function holders(value: unknown): ReadonlyMap<string, number> | undefined {
  const told = typeof value === "string" ? parsed(value) : value;
  if (typeof told !== "object" || told === null) return undefined;
  const held = new Map<string, number>();
  for (const [key, one] of Object.entries(told)) {
    const isList = Array.isArray(told);
    const count = isList ? 1 : numberOf(one);
    if (count === undefined || !Number.isInteger(count) || count < 0 || (isList && typeof one !== "string")) return undefined;
    const name = isList ? String(one) : key;
    held.set(name, (held.get(name) ?? 0) + count);
  }
  return held;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Drivers give large and exact numbers as text. */
export function numberOf(value: unknown): number | undefined {
  if (typeof value === "number") return Number.isFinite(value) ? value : undefined;
  if (typeof value === "bigint") return Number(value);
  return typeof value === "string" && /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : undefined;
}

/** Rows may hold what nobody should read in a log: the type is enough. */
const say = (value: unknown) => {
  if (value === null || value === undefined) return "NULL";
  if (numberOf(value) !== undefined) return String(value);
  return typeof value === "string" ? "text" : Array.isArray(value) ? "a list" : value instanceof Date ? "a time" : typeof value;
};
