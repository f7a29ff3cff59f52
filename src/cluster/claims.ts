import type { ScaledWorker } from "../api/resolve.ts";
import type { TargetSpec } from "../api/resolve-target.ts";
import type { WatchList } from "../kube/watch-list.ts";
import { type Autoscaler, targetId } from "./autoscalers.ts";

/** Who scales what: an object with a `/scale` has one owner. An autoscaler of Kubernetes has it, else the first ScaledWorker that claims it. */
export interface Claims extends Disposable {
  /** Claims the target of this worker in place of what it has; else says who has it, as the end of a sentence. */
  take(worker: ScaledWorker): string | undefined;
  leave(key: string): void;
  /** Whether this worker has a target: the one that it asked for, or its former one. */
  has(key: string): boolean;
}

/** @param turned Told of workers whose target has another owner now, or none. */
export function createClaims(
  autoscalers: Pick<WatchList<Autoscaler>, "entries" | "onChange">,
  turned: (keys: readonly string[]) => void,
): Claims {
  const owners = new Map<string, string>();
  const held = new Map<string, string>();
  const waiting = new Map<string, Set<string>>();
  /** Names of autoscalers by their target. */
  const scaling = new Map<string, Set<string>>();

  const wait = (target: string, key: string) => void waiting.set(target, (waiting.get(target) ?? new Set()).add(key));

  const leave = (key: string) => {
    for (const keys of waiting.values()) keys.delete(key);
    const target = held.get(key);
    if (target === undefined) return;
    held.delete(key);
    owners.delete(target);
    const next = waiting.get(target);
    waiting.delete(target);
    if (next !== undefined) turned([...next]);
  };

  const scales = ({ name, target }: Autoscaler) => void scaling.set(target, (scaling.get(target) ?? new Set()).add(name));
  const scalesNoMore = ({ name, target }: Autoscaler) => {
    const names = scaling.get(target);
    names?.delete(name);
    if (names?.size === 0) scaling.delete(target);
  };
  for (const [, autoscaler] of autoscalers.entries()) scales(autoscaler);
  const stop = autoscalers.onChange((_, now, was) => {
    if (now?.target === was?.target) return; // its status moves all the time
    if (was !== undefined) scalesNoMore(was);
    if (now !== undefined) scales(now);
    const asking = [was, now].flatMap((one) =>
      one === undefined ? [] : [owners.get(one.target), ...(waiting.get(one.target) ?? [])],
    );
    const keys = asking.filter((key) => key !== undefined);
    if (keys.length > 0) turned(keys);
  });

  return {
    leave,
    has: (key) => held.has(key),
    take({ key, namespace, target, rules }) {
      const wanted = idOf(namespace, target);
      if (wanted === undefined) {
        leave(key);
        return undefined;
      }
      const [autoscaler] = rules.mode === "Observe" ? [] : (scaling.get(wanted) ?? []);
      if (autoscaler !== undefined) {
        leave(key);
        wait(wanted, key);
        return `a HorizontalPodAutoscaler: '${autoscaler}' scales it too; delete that, or set \`spec.mode: Observe\``;
      }
      if (held.get(key) === wanted) return undefined;
      const owner = owners.get(wanted);
      if (owner !== undefined) {
        wait(wanted, key);
        return `another ScaledWorker: '${owner.slice(owner.indexOf("/") + 1)}' has it`;
      }
      leave(key);
      owners.set(wanted, key);
      held.set(key, wanted);
      return undefined;
    },
    [Symbol.dispose]: stop,
  };
}

/** Jobs are everybody's own. */
const idOf = (namespace: string, target: TargetSpec): string | undefined =>
  target.kind === "scale" ? targetId(namespace, target.ref) : undefined;
