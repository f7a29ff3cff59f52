import { z } from "zod";
import { cel, checkOne, complain, exactlyOne, setOf, text } from "../api/fields.ts";
import { secretReference } from "../api/secrets.ts";
import { BrokerError } from "../core/contract.ts";
import { checkUrl, passwordRule } from "./address-rules.ts";
import { decodePart, type HostPort, hostPort } from "./host-port.ts";
import { checkTls, type Tls, tlsRules, tlsSettings } from "./tls.ts";

const nodes = (what: string, example: string) =>
  setOf(hostPort("redis.shop:6379")).min(1).max(64).describe(`${what}; one that answers is enough. Example: \`${example}\`.`);

const userName = () => text(256).optional();
const password = () => secretReference().optional();

const sentinel = z.strictObject({
  master: text(256)
    .regex(/^[^\s@]+$/)
    .meta({ must: "must be the name of a primary, without spaces and without an address" })
    .describe("Name of the primary, as Sentinel knows it. Example: `mymaster`."),
  nodes: nodes("Sentinels as host:port", '["sentinel-0:26379", "sentinel-1:26379"]'),
  database: z.int().min(0).max(65_535).default(0).describe("Number of the database on the primary. Example: `0`."),
  username: userName().describe("ACL user on the Sentinels. Example: `worktide`."),
  passwordFrom: password().describe("Password on the Sentinels, where they ask for one. Example: `{ env: SENTINEL_PASSWORD }`."),
});

const cluster = z.strictObject({
  nodes: nodes("Nodes of the cluster as host:port", '["redis-0:6379", "redis-1:6379"]'),
});

const ways = ["url", "urlFrom", "sentinel", "cluster"] as const;
const mustBe = "must be redis://host:port/database, or rediss:// for TLS";

/** What a QueueConnection says of Redis. Secrets are references. */
export const redisSettings = z
  .strictObject({
    url: text(2048)
      .regex(/^rediss?:\/\/[^\s]+$/)
      .meta({ must: mustBe })
      .optional()
      .describe("Address without a password; `rediss://` turns TLS on. Example: `redis://redis.shop:6379/0`."),
    urlFrom: secretReference()
      .optional()
      .describe("Instead of `url`: an address that may carry user and password. Example: `{ env: REDIS_URL }`."),
    username: userName().describe("ACL user; needs `passwordFrom`. Example: `worktide`."),
    passwordFrom: password().describe("Where the password stands; read at each dial. Example: `{ env: REDIS_PASSWORD }`."),
    tls: tlsSettings("redis")
      .optional()
      .describe(
        "Certificates. With `sentinel` or `cluster`, even an empty one turns TLS on. Example: `{ caFile: /etc/redis/ca.crt }`.",
      ),
    sentinel: sentinel.optional().describe("Instead of `url`: ask Sentinel where the primary is."),
    cluster: cluster.optional().describe("Instead of `url`: a Redis Cluster."),
  })
  .superRefine((settings, context) => {
    checkOne(ways, settings, "one-redis-address", context);
    checkUrl(settings.url, { parse: parseUrl, mustBe, rule: "redis-url" }, context);
    if (settings.username !== undefined && settings.passwordFrom === undefined) {
      complain(context, "user-needs-password", ["username"], "must come with `passwordFrom`");
    }
    checkTls(settings, context, "rediss");
  })
  .meta(
    cel(
      exactlyOne(ways),
      passwordRule(),
      { rule: "!has(self.username) || has(self.passwordFrom)", message: "`username` must come with `passwordFrom`" },
      ...tlsRules("rediss"),
    ),
  );

/** As declared. */
export type RedisDeclared = z.output<typeof redisSettings>;

/** As the broker gets them: each `xFrom` has become `x`, and the address may carry user and password. */
export type RedisSettings = Omit<RedisDeclared, "urlFrom" | "passwordFrom" | "sentinel" | "tls"> &
  Readonly<{
    password?: string;
    tls?: Tls | undefined;
    sentinel?: Omit<NonNullable<RedisDeclared["sentinel"]>, "passwordFrom"> & Readonly<{ password?: string }>;
  }>;

/** One server, and how to log in. */
export type RedisAddress = HostPort & Readonly<{ database: number; tls: boolean; username?: string; password?: string }>;

/** The address of a single server, with the login that stands in it or beside it. Throws BrokerError without quoting it. */
export function addressOf({ url, tls, username, password }: RedisSettings): RedisAddress {
  const parsed = url === undefined ? undefined : parseUrl(url);
  if (!parsed) throw new BrokerError({ kind: "invalid", message: "the address is not of the form redis://host:port/database" });
  if (tls && !parsed.tls)
    throw new BrokerError({ kind: "invalid", message: "the address must begin with rediss:// where tls is given" });
  return { ...parsed, ...(username !== undefined && { username }), ...(password !== undefined && { password }) };
}

/** `redis[s]://[[user][:password]@]host[:port][/database]`, the scheme that IANA has registered. */
export function parseUrl(text: string): RedisAddress | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  const database = /^(?:\/(\d{1,5})?)?$/.exec(url.pathname);
  if (!/^rediss?:$/.test(url.protocol) || url.hostname === "" || !database || url.search !== "" || url.hash !== "")
    return undefined;
  const username = decodePart(url.username);
  const password = decodePart(url.password);
  if (username === undefined || password === undefined) return undefined;
  return {
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: Number(url.port || 6379),
    database: Number(database[1] ?? 0),
    tls: url.protocol === "rediss:",
    ...(username !== "" && { username }),
    ...(password !== "" && { password }),
  };
}
