import type { Worker } from "../../src/core/contract.ts";
import { type Fleet, firstBeatsMs, type Node } from "./node.ts";

/** The workers of some queues. */
export type Crew = Readonly<{
  /** Every worker is known by name: only then may a sum over them be told. */
  complete: boolean;
  workers: readonly Worker[];
  running: number;
  /** Absent where a worker does not beat. */
  finished?: number;
}>;

/** A worker whose queues are not known yet may work on any. One that works on other queues too counts fully in each. */
export function crewOf(fleet: Fleet, queues: ReadonlySet<string>, now: number): Crew {
  const ours = (names: readonly string[] | undefined) => names === undefined || names.some((name) => queues.has(name));
  const ids = idsOf(fleet);
  const nodes = [...fleet.nodes.values()].filter((node) => ours(node.queues));
  const retired = [...fleet.retired.values()].filter(({ queues }) => ours(queues));
  const counted = nodes.every(({ begun }) => begun !== undefined);
  return {
    complete: fleet.nameless === 0 && (fleet.listeners > 0 || fleet.nodes.size > 0 || now - fleet.subscribedAt >= firstBeatsMs),
    workers: nodes.map((node) => toWorker(node, ids.get(node.name) ?? node.name)),
    running: nodes.reduce((sum, { busy }) => sum + busy, 0),
    ...(counted && {
      finished:
        nodes.reduce((sum, { begun = 0, busy }) => sum + Math.max(0, begun - busy), 0) +
        retired.reduce((sum, { tasks }) => sum + tasks, 0),
    }),
  };
}

function toWorker(node: Node, id: string): Worker {
  // Told only together with what it holds: as long as that is not known, it may hold anything.
  const quiet = (node.quiet && node.reserved !== undefined) || node.offline;
  return {
    id,
    host: node.name.slice(node.name.indexOf("@") + 1),
    ...(node.slots !== undefined && { slots: node.slots }),
    busy: node.busy,
    ...(node.quiet && node.reserved !== undefined && { reserved: node.reserved }),
    ...(quiet && { quiet }),
    seenAt: node.seenAt,
  };
}

/**
 * A node is called `id@host`. The id alone is enough, unless it is Celery's default or that of several nodes: then it is
 * the whole name.
 */
function idsOf(fleet: Fleet): ReadonlyMap<string, string> {
  const short = (name: string) => name.slice(0, Math.max(0, name.indexOf("@")));
  const counts = new Map<string, number>();
  for (const name of fleet.nodes.keys()) counts.set(short(name), (counts.get(short(name)) ?? 0) + 1);
  const own = (name: string) => short(name) !== "celery" && short(name) !== "" && counts.get(short(name)) === 1;
  return new Map([...fleet.nodes.keys()].map((name) => [name, own(name) ? short(name) : name]));
}

export function nodeById(fleet: Fleet, id: string): Node | undefined {
  for (const [name, short] of idsOf(fleet)) if (short === id) return fleet.nodes.get(name);
  return undefined;
}
