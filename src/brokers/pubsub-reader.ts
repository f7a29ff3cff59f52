import { randomUUID } from "node:crypto";
import { BrokerError, type Problem } from "../core/contract.ts";
import { monotonicMs } from "./clock.ts";
import { type Catalog, type Entry, isProblem } from "./pubsub-catalog.ts";
import type { Gauge, Known, Part, PubSubReader, SubscriptionRef } from "./pubsub-client.ts";
import { gaugesOf } from "./pubsub-gauges.ts";
import type { Google } from "./pubsub-google.ts";
import type { Probes } from "./pubsub-probes.ts";
import type { Ending } from "./session.ts";

type Sources = Readonly<{
  google: Google;
  project: string;
  catalog: Catalog;
  probes: Probes;
  throwIfGone: Ending["throwIfGone"];
}>;

/** So long after a list of time series a probe's news needs no other one: Google has hardly newer numbers. */
const listedMs = 90_000;
const emulated =
  "the Pub/Sub emulator counts no backlog (with Google it is Cloud Monitoring that does): only what a probe hears is known";

/** Puts together what Cloud Monitoring, the subscriptions' settings and our probes tell. */
export function createReader({ google, project, catalog, probes, throwIfGone }: Sources): PubSubReader {
  const epoch = randomUUID();
  const gauges = createGauges(google, project);
  const hasNews = createNews(probes);

  const knownOf = (ref: SubscriptionRef, entry: Entry | undefined, gauge: Gauge | Problem | undefined): Known | Problem => {
    if (gauge !== undefined && "kind" in gauge) return gauge;
    if (entry !== undefined && isProblem(entry) && entry.kind === "missing") return entry;
    const heard = probes.of(ref);
    return {
      ...(gauge && { gauge }),
      ...(entry && (isProblem(entry) ? { unsettled: entry } : { settings: entry })),
      ...(heard && { heard }),
    };
  };

  return {
    kind: "gcpPubSub",
    project,
    listen: (ref, hint) => probes.listen(ref, hint),
    async survey(asked, signal) {
      throwIfGone();
      if (signal.aborted) throw new BrokerError({ kind: "timeout", message: "no answer within the deadline" });
      const woken = hasNews(asked);
      const known = new Map<SubscriptionRef, Known | Problem>();
      const groups = Map.groupBy(asked, keyOf).values();
      await Promise.all(
        groups.map(async (group) => {
          const names = [...new Set(group.map(({ subscription }) => subscription))];
          const { project } = group[0] as SubscriptionRef;
          const [found, entries] = await Promise.all([gauges(group, names, woken, signal), catalog.of(project, names, signal)]);
          for (const ref of group) known.set(ref, knownOf(ref, entries.get(ref.subscription), found(ref)));
        }),
      );
      const left: Problem = { kind: "internal", message: "the subscription was left out of the answer" };
      return {
        known: asked.map((ref) => known.get(ref) ?? left),
        epoch,
        ...(!google.timeSeries && { blind: emulated }),
      };
    },
  };
}

const keyOf = ({ project, byRegion }: SubscriptionRef) => `${project}/${byRegion}`;
const nameOf = (ref: SubscriptionRef) => `${keyOf(ref)}/${ref.subscription}`;

/** The newest gauges of a group: asked for anew, or where only probes have news, those of a moment ago. */
function createGauges({ timeSeries }: Google, own: string) {
  const last = new Map<string, Readonly<{ gauge: Gauge | undefined; parts: readonly Part[]; at: number }>>();

  return async (group: readonly SubscriptionRef[], subscriptions: readonly string[], woken: boolean, signal: AbortSignal) => {
    const [first] = group;
    if (timeSeries === undefined || first === undefined) return () => undefined;
    const kept = (ref: SubscriptionRef) => last.get(nameOf(ref))?.gauge;
    const at = monotonicMs();
    if (woken && group.every((ref) => at - (last.get(nameOf(ref))?.at ?? Number.NEGATIVE_INFINITY) < listedMs)) return kept;
    const { project, byRegion } = first;
    const before = (subscription: string) => last.get(nameOf({ project, byRegion, subscription }))?.parts ?? [];
    try {
      const found = await gaugesOf(timeSeries, { project, subscriptions, byRegion, before }, signal);
      for (const ref of group) {
        const gauge = found.get(ref.subscription);
        last.set(nameOf(ref), { gauge, parts: gauge?.parts ?? before(ref.subscription), at });
      }
      return kept;
    } catch (error) {
      // Another project may fail alone.
      if (project === own || signal.aborted || !(error instanceof BrokerError)) throw error;
      const { problem } = error;
      return () => problem;
    }
  };
}

/** Whether probes have heard something since the answer before, of each of those asked for: then it was they who asked. */
function createNews(probes: Probes) {
  const told = new Map<string, number>();
  return (asked: readonly SubscriptionRef[]): boolean => {
    let news = asked.length > 0;
    for (const ref of asked) {
      const total = probes.of(ref)?.total() ?? 0;
      if (total <= (told.get(nameOf(ref)) ?? 0)) news = false;
      told.set(nameOf(ref), total);
    }
    return news;
  };
}
