import { BrokerError } from "../core/contract.ts";

/** Answers of the management API, whose fields may all be missing: after a restart, for a new queue, without statistics. */

export type Row = Readonly<Record<string, unknown>>;

/** One queue in the list of a virtual host. Counts are absent while RabbitMQ has none. */
export type QueueRow = Readonly<{ type: string; state: string; ready?: number; unacked?: number }>;

/** What {@link queueRows} reads of each. */
export const queueColumns = "columns=name,type,state,messages_ready,messages_unacknowledged";
/** What tells it of the majority of a quorum queue beside: its members are asked for it. */
export const majorityColumns = "members,online";

/** Throws BrokerError where the answer is not a list: a proxy, another API. */
export function rowsOf(answer: unknown): readonly Row[] {
  if (!Array.isArray(answer)) throw new BrokerError({ kind: "invalid", message: "the management API answers with no list" });
  return answer.filter((row): row is Row => typeof row === "object" && row !== null);
}

/** What stands at a path of keys; undefined wherever there is something else. */
export function at(row: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === "object" && value !== null ? (value as Row)[key] : undefined),
    row,
  );
}

/** A count; anything else, a negative one too (they have been seen), is not known. */
export const count = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;

export const string = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined);

export function queueRows(answer: unknown): ReadonlyMap<string, QueueRow> {
  const rows = new Map<string, QueueRow>();
  for (const row of rowsOf(answer)) {
    const name = string(row["name"]);
    if (name === undefined) continue;
    const [ready, unacked] = [count(row["messages_ready"]), count(row["messages_unacknowledged"])];
    rows.set(name, {
      type: string(row["type"]) ?? "classic",
      state: hasNoMajority(row) ? "minority" : (string(row["state"]) ?? "running"),
      ...(ready !== undefined && { ready }),
      ...(unacked !== undefined && { unacked }),
    });
  }
  return rows;
}

/** What RabbitMQ 4 calls so itself: a leader that lives goes on telling the number that it had when the others went. */
export function hasNoMajority({ type, members, online }: Row): boolean {
  if (type !== "quorum" || !Array.isArray(members) || !Array.isArray(online)) return false;
  return members.length > 0 && online.length * 2 <= members.length;
}
