import { BrokerError, type Problem } from "../core/contract.ts";
import { monotonicMs } from "./clock.ts";
import type { SubscriptionSettings } from "./pubsub-client.ts";
import type { Google, Subscription } from "./pubsub-google.ts";

/** What is known of a subscription's settings: they, or why not. */
export type Entry = SubscriptionSettings | Problem;

/** Settings of subscriptions, read again once they are a minute old. */
export interface Catalog {
  of(project: string, subscriptions: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, Entry>>;
}

const youngMs = 60_000;
/** Numbers do not wait longer for settings, ms. */
const patienceMs = 3000;
/** Up to so many are asked for one by one; more of them by the list of the whole project. */
const fewest = 16;

export function createCatalog(google: Google): Catalog {
  const projects = new Map<string, Map<string, Readonly<{ entry: Entry; at: number }>>>();

  const fetch = async (project: string, names: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, Entry>> => {
    if (names.length > fewest) {
      const all = new Map((await google.subscriptions(project, signal)).map((one) => [idOf(one.name ?? ""), settingsOf(one)]));
      return new Map(names.map((name) => [name, all.get(name) ?? missing(project, name)]));
    }
    const one = async (name: string): Promise<readonly [string, Entry]> => {
      try {
        return [name, settingsOf(await google.subscription(`projects/${project}/subscriptions/${name}`, signal))];
      } catch (error) {
        const problem = google.problem(error);
        return [name, problem.kind === "missing" ? missing(project, name) : problem];
      }
    };
    return new Map(await Promise.all(names.map(one)));
  };

  return {
    async of(project, subscriptions, signal) {
      const known = projects.get(project) ?? new Map();
      projects.set(project, known);
      const now = monotonicMs();
      const old = subscriptions.filter((name) => !(now - (known.get(name)?.at ?? Number.NEGATIVE_INFINITY) < youngMs));
      const inTime = AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]);
      const fetched = await fetch(project, old, inTime).catch((error): ReadonlyMap<string, Entry> => {
        if (signal.aborted) throw error;
        return new Map(old.map((name) => [name, google.problem(error)]));
      });
      for (const [name, entry] of fetched) {
        // What was known outlives a failure to ask again.
        if (isProblem(entry) && entry.kind !== "missing" && known.has(name)) continue;
        known.set(name, { entry, at: isProblem(entry) ? Number.NEGATIVE_INFINITY : now });
      }
      return new Map(subscriptions.map((name) => [name, known.get(name)?.entry ?? missing(project, name)]));
    },
  };
}

export const isProblem = (entry: Entry): entry is Problem => "kind" in entry;

/** The last part of "projects/p/subscriptions/s". */
export const idOf = (name: string): string => name.slice(name.lastIndexOf("/") + 1);

const missing = (project: string, name: string): Problem => ({
  kind: "missing",
  message: `project ${project} has no subscription '${name}'`,
});

function settingsOf(one: Subscription): SubscriptionSettings {
  const expires = Number(one.expirationPolicy?.ttl?.seconds ?? 0);
  return {
    topic: one.topic ?? "",
    filter: one.filter ?? "",
    detached: one.detached === true,
    pushed: Boolean(one.pushConfig?.pushEndpoint || one.bigqueryConfig || one.cloudStorageConfig),
    ackDeadlineMs: (one.ackDeadlineSeconds ?? 0) * 1000,
    deadLetter: Boolean(one.deadLetterPolicy?.deadLetterTopic),
    exactlyOnce: one.enableExactlyOnceDelivery === true,
    ...(expires > 0 && { expiresMs: expires * 1000 }),
  };
}

export function assertSettings(entry: Entry): SubscriptionSettings {
  if (isProblem(entry)) throw new BrokerError(entry);
  return entry;
}
