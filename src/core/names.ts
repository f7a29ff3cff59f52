import type { Worker } from "./contract.ts";
import type { Member } from "./spec.ts";

/** Workers by each name that they are known by: their own, and the host that they run on. */
export type Named = ReadonlyMap<string, readonly Worker[]>;

export function byName(workers: readonly Worker[] = []): Named {
  const named = new Map<string, Worker[]>();
  const add = (name: string, worker: Worker) => {
    const same = named.get(name);
    if (same === undefined) named.set(name, [worker]);
    else same.push(worker);
  };
  for (const worker of workers) {
    add(worker.id, worker);
    if (worker.host !== undefined && worker.host !== worker.id) add(worker.host, worker);
  }
  return named;
}

/** The workers that run in this member: most often one, several where a pod starts more than one. */
export function workersOf({ id, aliases }: Pick<Member, "id" | "aliases">, named: Named): readonly Worker[] {
  const own = named.get(id) ?? [];
  if (aliases === undefined) return own;
  return [...new Set([...own, ...aliases.flatMap((alias) => named.get(alias) ?? [])])];
}
