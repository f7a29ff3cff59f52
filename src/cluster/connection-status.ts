import type { ParsedObject } from "../api/object.ts";
import type { QueueConnectionStatus, StatusCondition } from "../api/status.ts";
import { failings, graceMs } from "../control/conditions.ts";
import type { StatusWriter } from "../kube/status.ts";
import type { ConnectionState } from "../observe/observer.ts";
import type { Watches } from "./declared.ts";
import { errorsOf, placeless, stalled, stamped, turnsOf } from "./status.ts";

/** What a connection's status follows from. `now` as the observer's clock, monotonic ms; `at` is the same moment, ISO. */
export type ConnectionSeen = Readonly<{
  parsed: ParsedObject;
  /** Absent while no trigger uses it. */
  state: ConnectionState | undefined;
  /** ScaledWorkers that use it. */
  users: number;
  now: number;
  at: string;
}>;

type Verdict = Pick<StatusCondition, "status" | "reason" | "message">;

/** The status of a QueueConnection or ClusterQueueConnection; the time of the last flip comes from `published`. */
function connectionStatusOf(seen: ConnectionSeen, published: QueueConnectionStatus = {}): QueueConnectionStatus {
  const { parsed, users, at } = seen;
  const { generation: observedGeneration, connection } = parsed;
  const ready = verdictOf(
    seen,
    published.conditions?.find(({ type }) => type === "Ready"),
  );
  return {
    observedGeneration,
    ...(connection && { type: connection.type }),
    users,
    conditions: [{ type: "Ready", ...ready }, ...stalled(ready)].map((condition) =>
      stamped({ ...condition, observedGeneration }, at, published.conditions),
    ),
  };
}

/**
 * | case                                        | status  | reason                     |
 * |---------------------------------------------|---------|----------------------------|
 * | the spec has an error                       | False   | InvalidSpec                |
 * | nobody uses it: nothing is wrong with it    | True    | Unused                     |
 * | it is up                                    | True    | Connected                  |
 * | it is down for a minute, or lacks a secret  | False   | by its problem             |
 * | it is down for less, or not dialled yet     | as before, else Unknown Connecting |
 */
function verdictOf({ parsed, state, users, now }: ConnectionSeen, before: StatusCondition | undefined): Verdict {
  const errors = errorsOf(parsed);
  if (errors !== undefined) return { status: "False", reason: "InvalidSpec", message: errors };
  if (users === 0 || state === undefined) return { status: "True", reason: "Unused", message: "no ScaledWorker uses it" };
  if (state.up) return { status: "True", reason: "Connected", message: "" };
  const { problem } = state;
  if (problem !== undefined && (problem.kind === "secret" || now - problem.since >= graceMs)) {
    return { status: "False", reason: failings[problem.kind], message: placeless(problem.message) };
  }
  if (before !== undefined && before.reason !== "Unused" && before.reason !== "InvalidSpec") {
    return { status: before.status, reason: before.reason, message: before.message };
  }
  return { status: "Unknown", reason: "Connecting", message: placeless(problem?.message ?? "") };
}

export type ConnectionsHouse = Readonly<{
  watches: Watches;
  /** With the fence of the leader. */
  writers: Readonly<Record<"QueueConnection" | "ClusterQueueConnection", StatusWriter>>;
  states: () => readonly ConnectionState[];
  users: (key: string) => number;
  mayWrite: () => boolean;
  now: () => number;
}>;

/** How often all of them are looked at, ms: there are few, and nobody waits for it. */
const lookMs = 2_000;

/** Tells the API server how each connection stands, on changes only, until it is disposed of. */
export function publishConnections(house: ConnectionsHouse): Disposable {
  const { watches, writers } = house;
  const timer = setInterval(() => {
    if (!house.mayWrite()) return;
    const states = new Map(house.states().flatMap((state) => (isItsOwn(state) ? [[state.name, state]] : [])));
    const [now, at] = [house.now(), new Date().toISOString()];
    for (const list of [watches.connections, watches.clusterConnections]) {
      for (const [key, { parsed, status }] of list?.entries() ?? []) {
        const { kind, namespace, name, uid } = parsed;
        if (parsed.deleting || kind === undefined || kind === "ScaledWorker") continue;
        const next = connectionStatusOf({ parsed, state: states.get(key), users: house.users(key), now, at }, status);
        writers[kind].write({ name, uid, ...(namespace !== "" && { namespace }) }, next);
      }
    }
  }, lookMs);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** Not that of a trigger which may not use it, or cannot read from it: that one is told of at its ScaledWorker. */
const isItsOwn = ({ problem }: ConnectionState) => problem?.kind !== "connection";

/** Without words and times that move by themselves. */
export const connectionMeaning = ({ conditions = [], ...rest }: QueueConnectionStatus): unknown => [rest, turnsOf(conditions)];
