import type { ParsedObject } from "../api/object.ts";
import { connectionKey, type QueueConnection, type ScaledWorker } from "../api/resolve.ts";
import { type KeyReference, keyReferences } from "../api/secrets.ts";
import type { QueueConnectionStatus, ScaledWorkerStatus } from "../api/status.ts";
import type { Controller } from "../control/controller.ts";
import type { ObservedStatus } from "../kube/status.ts";
import type { WatchList } from "../kube/watch-list.ts";
import type { Autoscaler } from "./autoscalers.ts";
import { createClaims } from "./claims.ts";
import { type Refused, refusalOf } from "./status.ts";

/** One object of ours as the API server has it. `createdAt`: ISO time. */
export type Stored<Status> = Readonly<{ createdAt: string; parsed: ParsedObject; status: Status; observed: ObservedStatus }>;
export type WorkerObject = Stored<ScaledWorkerStatus>;
export type ConnectionObject = Stored<QueueConnectionStatus>;

export type Watches = Readonly<{
  workers: WatchList<WorkerObject>;
  connections: WatchList<ConnectionObject>;
  /** Absent where this process may not see beyond its namespaces. */
  clusterConnections?: WatchList<ConnectionObject>;
  /** Nobody waits for it: who may not read it sees none. */
  autoscalers: WatchList<Autoscaler>;
}>;

export type DeclaredHouse = Readonly<{
  watches: Watches;
  controller: Pick<Controller, "put" | "drop">;
  /** Something of this worker is different: its spec is in force, was refused, or it is gone. */
  changed: (key: string) => void;
  /** Follows what a connection refers to, Secrets and ConfigMaps, until the returned function is called. */
  follow: (reference: KeyReference) => () => void;
  failed: (doing: string, cause: unknown) => void;
}>;

/** Keeps in force what the API server declares. A spec with an error changes nothing: the one before it stays. */
export interface Declarations extends AsyncDisposable {
  /** The ScaledWorkers that use a connection, by the key of either. */
  users(connection: string): number;
  /** Why its newest spec is not in force; undefined where it is. */
  refused(key: string): Refused | undefined;
}

/** So many are put in force before others get their turn. */
const atOnce = 100;

/** Call it when all lists are synced: a connection that was not listed yet is none that is missing. */
export function followDeclarations({ watches, controller, changed, follow, failed }: DeclaredHouse): Declarations {
  const connections = new Map<string, QueueConnection>();
  /** By connection: how to stop following what it refers to. */
  const following = new Map<string, readonly (() => void)[]>();
  const usedBy = new Map<string, Set<string>>();
  const inForce = new Map<string, ScaledWorker>();
  const waiting = new Set<string>();
  /** Who has the target of a worker, where that is not itself, by key. */
  const contested = new Map<string, string>();
  const claims = createClaims(watches.autoscalers, (keys) => {
    for (const key of keys) ask(key);
  });
  let working: Promise<void> | undefined;
  let stopped = false;

  const ask = (key: string) => {
    waiting.add(key);
    working ??= work().finally(() => {
      working = undefined;
      for (const late of waiting) ask(late);
    });
  };

  const work = async () => {
    let done = 0;
    for (const key of waiting) {
      waiting.delete(key);
      if (stopped) return waiting.clear();
      await apply(key).catch((cause: unknown) => failed(`declaring ${key}`, cause));
      if (++done % atOnce === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  };

  const apply = async (key: string) => {
    const object = watches.workers.get(key)?.parsed;
    const before = inForce.get(key);
    const gone = object === undefined || object.deleting || (before !== undefined && before.uid !== object.uid);
    if (gone) claims.leave(key);
    const worker = object?.deleting === false ? object.worker : undefined;
    const conflict = worker && claims.take(worker);
    if (conflict === undefined) contested.delete(key);
    else contested.set(key, conflict);
    if (before !== undefined && (gone || (conflict !== undefined && !claims.has(key)))) end(key, before);
    if (worker !== undefined && conflict === undefined) {
      unlink(key, before);
      for (const connection of connectionsOf(worker)) (usedBy.get(connection) ?? fresh(connection)).add(key);
      inForce.set(key, worker);
      await controller.put(worker, connections);
    }
    changed(key);
  };

  const end = (key: string, before: ScaledWorker) => {
    unlink(key, before);
    inForce.delete(key);
    controller.drop(key);
  };

  const unlink = (key: string, worker: ScaledWorker | undefined) => {
    for (const connection of worker === undefined ? [] : connectionsOf(worker)) usedBy.get(connection)?.delete(key);
  };

  const fresh = (connection: string) => {
    const users = new Set<string>();
    usedBy.set(connection, users);
    return users;
  };

  const connect = (key: string, object: ParsedObject | undefined) => {
    const before = connections.get(key);
    if (object === undefined) connections.delete(key);
    else if (object.connection !== undefined) connections.set(key, object.connection);
    const present = connections.get(key);
    if (present?.digest === before?.digest) return;
    const former = following.get(key) ?? [];
    if (present === undefined) following.delete(key);
    else following.set(key, keyReferences(present.settings, present.namespace).map(follow));
    for (const stop of former) stop();
    for (const user of usedBy.get(key) ?? []) ask(user);
  };

  const lists = [watches.connections, ...(watches.clusterConnections ? [watches.clusterConnections] : [])];
  for (const list of lists) for (const [key, { parsed }] of list.entries()) connect(key, parsed);
  // Of several with one target the oldest has it, whoever asks first after a restart.
  const oldest = [...watches.workers.entries()].toSorted(([, a], [, b]) => (a.createdAt < b.createdAt ? -1 : 1));
  for (const [key] of oldest) ask(key);
  const stops = [
    ...lists.map((list) => list.onChange((key, now) => connect(key, now?.parsed))),
    watches.workers.onChange((key, now, was) => {
      if (isOther(now?.parsed, was?.parsed)) ask(key);
    }),
  ];

  return {
    users: (connection) => usedBy.get(connection)?.size ?? 0,
    refused(key) {
      const object = watches.workers.get(key)?.parsed;
      const conflict = contested.get(key);
      if (object === undefined || object.deleting) return undefined;
      if (conflict === undefined) return refusalOf(object);
      return {
        generation: object.generation,
        reason: "Conflict",
        message: `\`spec.target\` must not be the target of ${conflict}`,
      };
    },
    async [Symbol.asyncDispose]() {
      stopped = true;
      claims[Symbol.dispose]();
      for (const stop of [...stops, ...[...following.values()].flat()]) stop();
      await working;
    },
  };
}

/** Whether they differ in what is declared: our own status does not count. */
function isOther(now: ParsedObject | undefined, was: ParsedObject | undefined): boolean {
  if (now === undefined || was === undefined) return true;
  if (now.uid !== was.uid || now.generation !== was.generation || now.deleting !== was.deleting) return true;
  return now.worker?.digest !== was.worker?.digest;
}

function connectionsOf({ triggers }: ScaledWorker): readonly string[] {
  return triggers.flatMap(({ connection }) => (connection.kind === "inline" ? [] : [connectionKey(connection)]));
}
