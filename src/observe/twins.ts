import type { AnyScaler } from "../core/contract.ts";
import type { Watched } from "./watched.ts";

/** Finds one that asks the same: another ScaledWorker's, or the same one's before a reload. */
export interface Twins {
  /** The newest that is still under watch; from now on it is `watched`. */
  replace(watched: Watched): Watched | undefined;
  remove(watched: Watched): void;
}

export function createTwins(): Twins {
  const byScaler = new Map<AnyScaler, Map<string, Watched>>();

  return {
    replace(watched) {
      const { scaler, query } = watched.watch;
      const byQuery = byScaler.get(scaler) ?? new Map<string, Watched>();
      byScaler.set(scaler, byQuery);
      const key = JSON.stringify(query);
      const twin = byQuery.get(key);
      byQuery.set(key, watched);
      return twin;
    },
    remove(watched) {
      const { scaler, query } = watched.watch;
      const byQuery = byScaler.get(scaler);
      const key = JSON.stringify(query);
      if (byQuery?.get(key) === watched) byQuery.delete(key);
      if (byQuery?.size === 0) byScaler.delete(scaler);
    },
  };
}
