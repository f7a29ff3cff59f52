import { type QueueConnection, type ScaledWorker, withoutEndedPauses } from "../api/resolve.ts";
import type { SecretReaders } from "../api/secrets.ts";
import type { AnyBroker, Observation } from "../core/contract.ts";
import type { Rules } from "../core/spec.ts";
import type { ConnectionState, Observer } from "../observe/observer.ts";
import type { Target } from "../targets/target.ts";
import { connectionSource } from "./connections.ts";
import { createWorkerLoop } from "./create-worker-loop.ts";
import type { LoopHouse, WatchedTrigger, WorkerLoop } from "./worker-loop.ts";

/** The documents that are in force. */
export type Declared = Readonly<{
  workers: readonly ScaledWorker[];
  connections: readonly QueueConnection[];
}>;

/** QueueConnections by "namespace/name". */
export type Connections = ReadonlyMap<string, QueueConnection>;

/** A ScaledWorker and its loop. */
export type Managed = Readonly<{ worker: ScaledWorker; loop: WorkerLoop }>;

export type ControllerHouse = Readonly<{
  observer: Observer;
  brokers: ReadonlyMap<string, AnyBroker>;
  readers: SecretReaders;
  namespaced?: boolean | undefined;
  /** Opens what a worker scales. The same target serves it until its `target` changes. */
  openTarget: (
    worker: ScaledWorker,
    present: Readonly<{ observations: () => readonly Observation[]; rules: () => Rules }>,
  ) => Promise<Target>;
  /** What the loops tell to. */
  loops: Omit<LoopHouse, "watch">;
  /** ms since 1970. */
  wallClock: () => number;
  failed: (doing: string, cause: unknown) => void;
}>;

/** All ScaledWorkers of this process. */
export interface Controller {
  /** Makes these the ones in force: new ones begin, changed ones go on with new rules, others end and leave their target. */
  declare(declared: Declared): Promise<void>;
  /** Puts one worker in force, with the connections that there are; the others are left as they are. */
  put(worker: ScaledWorker, connections: Connections): Promise<void>;
  /** Ends one worker, if there is such a one, and leaves its target. */
  drop(key: string): void;
  managed(): readonly Managed[];
  /** By "namespace/name". */
  find(key: string): Managed | undefined;
  connections(): readonly ConnectionState[];
  /** Stops deciding, ends every target (jobs in hand first), and resolves when all are gone. `each` hears of every target. */
  close(each: (target: Target) => void): Promise<void>;
}

export function createController(house: ControllerHouse): Controller {
  const managed = new Map<string, Managed>();
  /** Loops of workers that are not declared any more, or differently, until their target is gone. */
  const ending = new Map<WorkerLoop, Promise<void>>();

  const loopHouse: LoopHouse = { ...house.loops, watch: house.observer.watch.bind(house.observer) };

  const triggersOf = (worker: ScaledWorker, connections: Connections): WatchedTrigger[] =>
    worker.triggers.map((trigger) => {
      const { name, scaler, query, intervalMs } = trigger;
      return { name, watch: { scaler, query, intervalMs, connection: connectionSource(trigger, { ...house, connections }) } };
    });

  const begin = async (worker: ScaledWorker, triggers: readonly WatchedTrigger[]) => {
    // Its target asks who has a job in hand, which only its loop can tell.
    let loop: WorkerLoop | undefined;
    const target = await open(worker, {
      observations: () => loop?.observations() ?? [],
      rules: () => loop?.rules() ?? worker.rules,
    });
    if (target === undefined) return;
    loop = createWorkerLoop(worker.key, target, worker.rules, triggers, loopHouse);
    managed.set(worker.key, { worker, loop });
  };

  /** One that cannot be opened must not keep the others from their work. */
  const open = async (...args: Parameters<ControllerHouse["openTarget"]>) => {
    try {
      return await house.openTarget(...args);
    } catch (cause) {
      house.failed(`opening the target of ${args[0].key}`, cause);
      return undefined;
    }
  };

  /** A pause with an end is over when the wall clock says so, which may be set meanwhile: looked at once a minute. */
  const resumeLater = (worker: ScaledWorker, triggers: readonly WatchedTrigger[]) => {
    const left = worker.pauses.flatMap(({ until }) => (until === undefined ? [] : until - house.wallClock()));
    if (left.length === 0) return;
    const timer = setTimeout(
      () => {
        const present = managed.get(worker.key);
        if (present?.worker !== worker) return;
        const next = withoutEndedPauses(worker, house.wallClock());
        if (next !== worker) {
          managed.set(worker.key, { worker: next, loop: present.loop });
          present.loop.update(next.rules, triggers);
        }
        resumeLater(next, triggers);
      },
      Math.min(Math.max(0, Math.min(...left)), 60_000),
    );
    timer.unref();
  };

  /** A worker with a job in hand may take hours to leave: its triggers are read until then. */
  const end = (key: string, loop: WorkerLoop): Promise<void> => {
    const done = loop
      .stop()
      .then(() => loop.target[Symbol.asyncDispose]())
      .catch((cause: unknown) => house.failed(`ending ${key}`, cause))
      .finally(() => {
        loop.release();
        ending.delete(loop);
      });
    ending.set(loop, done);
    return done;
  };

  const drop = (key: string) => {
    const present = managed.get(key);
    if (present === undefined) return;
    managed.delete(key);
    void end(key, present.loop);
  };

  const put = async (worker: ScaledWorker, connections: Connections) => {
    const present = managed.get(worker.key);
    const triggers = triggersOf(worker, connections);
    if (present !== undefined && sameTarget(present.worker, worker)) {
      managed.set(worker.key, { worker, loop: present.loop });
      present.loop.update(worker.rules, triggers);
    } else {
      if (present !== undefined) void end(worker.key, present.loop);
      await begin(worker, triggers);
    }
    resumeLater(worker, triggers);
  };

  return {
    async declare({ workers, connections }) {
      const byName = new Map(connections.map((connection) => [`${connection.namespace}/${connection.name}`, connection]));
      const wanted = new Set(workers.map(({ key }) => key));
      for (const key of managed.keys()) if (!wanted.has(key)) drop(key);
      for (const worker of workers) await put(worker, byName);
    },
    put,
    drop,
    managed: () => [...managed.values()],
    find: (key) => managed.get(key),
    connections: () => house.observer.connections(),
    async close(each) {
      for (const [key, { loop }] of managed) void end(key, loop);
      for (const loop of ending.keys()) each(loop.target);
      await Promise.all(ending.values());
    },
  };
}

function sameTarget(a: ScaledWorker, b: ScaledWorker): boolean {
  return JSON.stringify(a.target) === JSON.stringify(b.target);
}
