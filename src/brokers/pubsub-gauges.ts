import { BrokerError } from "../core/contract.ts";
import type { Gauge, Part } from "./pubsub-client.ts";
import type { Google, TimeSeries } from "./pubsub-google.ts";

/** Google's names of what a subscription has not got rid of, over all regions and region by region. */
const metrics = {
  global: { undelivered: "num_undelivered_messages", oldest: "oldest_unacked_message_age" },
  byRegion: { undelivered: "num_unacked_messages_by_region", oldest: "oldest_unacked_message_age_by_region" },
} as const;

/** Points are taken every minute and shown up to two later, in bad hours more: what is older than this says nothing any more. */
const windowMs = 300_000;
/** Longest filter that Cloud Monitoring takes, less some room. */
const longestFilter = 2000;

/** A region that had messages and has told nothing for so long has none any more, or none that we will ever hear of. */
const silentMs = 1_800_000;

type Asked = Readonly<{
  project: string;
  subscriptions: readonly string[];
  byRegion: boolean;
  /** What was known of a subscription before. */
  before: (subscription: string) => readonly Part[];
}>;

/**
 * The newest points of these subscriptions, by one list for each of two metrics, whatever their number: a page of the API
 * holds all that a project of thousands has. What has no point is not in the answer: Google says that no data is not no
 * messages.
 */
export async function gaugesOf(
  timeSeries: NonNullable<Google["timeSeries"]>,
  { project, subscriptions, byRegion, before }: Asked,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Gauge>> {
  const now = Date.now();
  const interval = { from: now - windowMs, to: now };
  const names = metrics[byRegion ? "byRegion" : "global"];
  const [undelivered, oldest] = await Promise.all(
    [names.undelivered, names.oldest].map((metric) =>
      timeSeries(project, filterOf(metric, subscriptions), interval, signal).then(newestOf),
    ),
  );
  const gauges = new Map<string, Gauge>();
  for (const [subscription, told] of undelivered ?? []) {
    const ages = oldest?.get(subscription)?.map(({ value }) => value) ?? [];
    const parts = [...told, ...silent(told, before(subscription), now)];
    gauges.set(subscription, {
      undelivered: parts.reduce((sum, { value }) => sum + value, 0),
      ...(ages.length > 0 && { oldestMs: Math.max(...ages) * 1000 }),
      // Of several regions the one that is behind: no sum is younger than its oldest part.
      at: Math.min(...parts.map(({ at }) => at)),
      parts,
    });
  }
  return gauges;
}

/** Regions that had messages when they were last heard of: their gap is no zero, and the sum is as old as what they said. */
const silent = (told: readonly Part[], before: readonly Part[], now: number): readonly Part[] =>
  before.filter(({ region, value, at }) => value > 0 && now - at < silentMs && !told.some((part) => part.region === region));

/** Those asked for by name where they fit, else the whole project: the answer is sorted out here. */
function filterOf(metric: string, subscriptions: readonly string[]): string {
  const all = `metric.type = "pubsub.googleapis.com/subscription/${metric}" AND resource.type = "pubsub_subscription"`;
  const names = subscriptions.map((name) => `"${name}"`).join(",");
  const some = `${all} AND resource.labels.subscription_id = one_of(${names})`;
  return some.length <= longestFilter ? some : all;
}

/** The newest point of each series: of one series for each subscription, or of one for each of its regions. */
function newestOf(all: readonly TimeSeries[]): ReadonlyMap<string, readonly Part[]> {
  const found = new Map<string, Part[]>();
  for (const series of all) {
    const subscription = series.resource?.labels?.["subscription_id"];
    const newest = (series.points ?? []).map(pointOf).reduce<Point | undefined>(newer, undefined);
    if (!subscription || newest === undefined) continue;
    const points = found.get(subscription) ?? [];
    points.push({ ...newest, region: series.metric?.labels?.["region"] ?? "" });
    found.set(subscription, points);
  }
  return found;
}

type Point = Omit<Part, "region">;

const newer = (a: Point | undefined, b: Point) => (a === undefined || b.at > a.at ? b : a);

function pointOf({ value, interval }: NonNullable<TimeSeries["points"]>[number]): Point {
  const end = interval?.endTime;
  const at = Number(end?.seconds) * 1000 + Number(end?.nanos ?? 0) / 1e6;
  const number = Number(value?.int64Value ?? value?.doubleValue ?? Number.NaN);
  if (!Number.isFinite(at)) throw new BrokerError({ kind: "invalid", message: "a point of Cloud Monitoring has no time" });
  return { value: number, at };
}
