import { titleOfReference } from "../api/secrets.ts";
import { type Broker, BrokerError, type Session } from "../core/contract.ts";
import { abortable } from "./abortable.ts";
import { replicaProblem } from "./redis-batch.ts";
import type { RedisReader } from "./redis-client.ts";
import { openCluster } from "./redis-cluster.ts";
import { openLink } from "./redis-link.ts";
import { followPrimary, namedPrimaries } from "./redis-sentinel.ts";
import {
  addressOf,
  parseUrl,
  type RedisAddress,
  type RedisDeclared,
  type RedisSettings,
  redisSettings,
} from "./redis-settings.ts";
import { createSingleReader } from "./redis-single.ts";
import { createTracker } from "./redis-tracker.ts";
import { readingSession } from "./session.ts";

/**
 * Redis 6 or newer (or Valkey), as a single server, behind Sentinel, or as a Cluster. The user needs the keys and
 * `+@read +time +evalsha_ro +script|load +hello +ping +echo +info +client|tracking +client|caching`, with a database
 * other than 0 `+select`, in a Cluster `+cluster|slots +asking`. Without `info` the server is taken for a primary, and
 * each connection for data of its own; without the two of `client` there is polling only. Redis 6 has no EVALSHA_RO:
 * `+evalsha` there.
 */
export const redisBroker: Broker<RedisReader, RedisSettings> = {
  type: "redis",
  summary: "Redis or Valkey: a single server, Sentinel or Cluster.",
  settings: redisSettings,
  address: describe,
  open(settings, signal) {
    if (settings.cluster) return openCluster(settings, settings.cluster, signal);
    return settings.sentinel ? openBehindSentinel(settings, settings.sentinel, signal) : openSingle(settings, signal);
  },
};

async function openSingle(settings: RedisSettings, signal: AbortSignal): Promise<Session<RedisReader>> {
  const address = addressOf(settings);
  const tracker = createTracker();
  const link = await openLink({ address, tls: settings.tls, onInvalidate: tracker.changed }, signal);
  return readingSession(createSingleReader(link, tracker, address.database), link);
}

/** Asks Sentinel on every dial, takes only what calls itself the primary, and gives it up once it is none. */
async function openBehindSentinel(
  settings: RedisSettings,
  sentinel: NonNullable<RedisSettings["sentinel"]>,
  signal: AbortSignal,
): Promise<Session<RedisReader>> {
  const { username, password, tls } = settings;
  const { database } = sentinel;
  const login = { ...(username !== undefined && { username }), ...(password !== undefined && { password }) };
  let failure = new BrokerError(replicaProblem);
  for (const named of await namedPrimaries(settings, sentinel, signal)) {
    const address: RedisAddress = { ...named, ...login, database, tls: tls !== undefined };
    const tracker = createTracker();
    try {
      const link = await openLink({ address, tls, onInvalidate: tracker.changed }, signal);
      if ((await abortable(link.identity(), signal)).role === "replica") {
        link.destroy();
        continue;
      }
      followPrimary(link, settings, sentinel);
      const reader = createSingleReader(
        link,
        tracker,
        database,
        ({ role }) => role === "replica" && link.destroy(replicaProblem),
      );
      return readingSession(reader, link);
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error;
      failure = error;
    }
  }
  throw failure;
}

/** Also of settings as they are declared, where the address may be a reference only. */
function describe(settings: RedisSettings & Pick<RedisDeclared, "urlFrom">): string {
  const { url, urlFrom, sentinel, cluster } = settings;
  if (sentinel) return `redis sentinel ${sentinel.master} at ${sentinel.nodes.join(", ")}, database ${sentinel.database}`;
  if (cluster) return `redis cluster ${cluster.nodes.join(", ")}`;
  if (url !== undefined) {
    const parsed = parseUrl(url);
    return parsed ? `${parsed.tls ? "rediss" : "redis"}://${parsed.host}:${parsed.port}/${parsed.database}` : "redis";
  }
  return `redis at the address in ${titleOfReference(urlFrom)}`;
}
