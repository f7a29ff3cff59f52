import type { ScaledWorker } from "../api/resolve.ts";
import type { TargetSpec } from "../api/resolve-target.ts";

/** Who scales what: an object with a `/scale` has one ScaledWorker, the first that claims it. */
export interface Claims {
  /** Claims the target of this worker in place of what it has; the key of the one that has it, if another one does. */
  take(worker: ScaledWorker): string | undefined;
  leave(key: string): void;
}

/** @param freed Told who asked in vain for a target that nobody has any more. */
export function createClaims(freed: (keys: readonly string[]) => void): Claims {
  const owners = new Map<string, string>();
  const held = new Map<string, string>();
  const waiting = new Map<string, Set<string>>();

  const leave = (key: string) => {
    for (const keys of waiting.values()) keys.delete(key);
    const target = held.get(key);
    if (target === undefined) return;
    held.delete(key);
    owners.delete(target);
    const next = waiting.get(target);
    waiting.delete(target);
    if (next !== undefined) freed([...next]);
  };

  return {
    leave,
    take({ key, namespace, target }) {
      const wanted = idOf(namespace, target);
      if (wanted !== undefined && held.get(key) === wanted) return undefined;
      const owner = wanted && owners.get(wanted);
      if (wanted !== undefined && owner !== undefined) {
        waiting.set(wanted, (waiting.get(wanted) ?? new Set()).add(key));
        return owner;
      }
      leave(key);
      if (wanted === undefined) return undefined;
      owners.set(wanted, key);
      held.set(key, wanted);
      return undefined;
    },
  };
}

/** Jobs are everybody's own. Versions of one group name the same objects. */
function idOf(namespace: string, target: TargetSpec): string | undefined {
  if (target.kind !== "scale") return undefined;
  const { apiVersion, kind, name } = target.ref;
  return [namespace, apiVersion.replace(/\/.*/, ""), kind, name].join("/");
}
