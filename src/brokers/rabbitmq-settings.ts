import { z } from "zod";
import { duration } from "../api/duration.ts";
import { cel, checkOne, exactlyOne, setOf, text } from "../api/fields.ts";
import { secretReference } from "../api/secrets.ts";
import { BrokerError } from "../core/contract.ts";
import { checkLogin, checkPassword, checkUrl, loginRule, passwordRule } from "./address-rules.ts";
import { decodePart, type HostPort, hostPort, parseHostPort } from "./host-port.ts";
import { checkTls, type Tls, tlsRules, tlsSettings } from "./tls.ts";

const beside = "use `passwordFrom` beside it";

const management = z
  .strictObject({
    enabled: z
      .boolean()
      .default(true)
      .describe("Without it only ready messages are seen: not what runs, nor who is busy. Example: `true`."),
    url: text(2048)
      .regex(/^https?:\/\/[^\s]+$/)
      .meta({ must: "must be http://host:port, or https:// for TLS" })
      .optional()
      .describe(
        "Address of the management API; absent: the host of `url`, port 15672, or with `amqps` https and port 15671. " +
          "Example: `http://rabbitmq.shop:15672`.",
      ),
    username: text(256).optional().describe("User there; absent: that of AMQP. Example: `monitor`."),
    passwordFrom: secretReference().optional().describe("Its password. Example: `{ env: RABBITMQ_MONITOR_PASSWORD }`."),
    statisticsInterval: duration({ min: "1s", max: "10m" })
      .prefault("5s")
      .describe("RabbitMQ's `collect_statistics_interval`: so old its statistics may be. Example: `10s`."),
  })
  .superRefine((settings, context) => {
    checkPassword(settings.url, context, beside);
    checkLogin(settings, context);
  })
  .meta(cel(passwordRule(beside), loginRule));

const ways = ["url", "urlFrom"] as const;
const mustBe = "must be amqp://host:port/vhost, or amqps:// for TLS";

/** What a QueueConnection says of RabbitMQ. Secrets are references. */
export const rabbitSettings = z
  .strictObject({
    url: text(2048)
      .regex(/^amqps?:\/\/[^\s]+$/)
      .meta({ must: mustBe })
      .optional()
      .describe(
        "Address without a password; `amqps://` turns TLS on. The path is the virtual host (`%2F`, a second slash, and none: `/`). " +
          "Example: `amqp://rabbitmq.shop:5672/shop`.",
      ),
    urlFrom: secretReference()
      .optional()
      .describe("Instead of `url`: an address that may carry user and password. Example: `{ env: RABBITMQ_URL }`."),
    nodes: setOf(hostPort("rabbitmq-0.shop:5672"))
      .min(1)
      .max(64)
      .optional()
      .describe('More nodes of the cluster: the first that answers is taken. Example: `["rabbitmq-1.shop:5672"]`.'),
    vhost: text(256).optional().describe("Virtual host; absent: what the address says. Example: `shop`."),
    username: text(256).optional().describe("User; absent, without a certificate: `guest`. Example: `worktide`."),
    passwordFrom: secretReference()
      .optional()
      .describe("Where the password stands; read at each dial. Example: `{ env: RABBITMQ_PASSWORD }`."),
    tls: tlsSettings("rabbitmq").optional().describe("Certificates. Example: `{ caFile: /etc/rabbitmq/ca.crt }`."),
    management: management
      .prefault({})
      .describe("The management API: it tells what is in hand and who is busy. Example: `{ url: http://rabbitmq.shop:15672 }`."),
  })
  .superRefine((settings, context) => {
    checkOne(ways, settings, "one-rabbitmq-address", context);
    checkUrl(settings.url, { parse: parseUrl, mustBe, rule: "rabbitmq-url" }, context);
    checkLogin(settings, context);
    checkTls(settings, context, "amqps");
  })
  .meta(cel(exactlyOne(ways), passwordRule(), loginRule, ...tlsRules("amqps")));

/** As declared. */
export type RabbitDeclared = z.output<typeof rabbitSettings>;

/** As the broker gets them: each `xFrom` has become `x`, and the address may carry user and password. */
export type RabbitSettings = Omit<RabbitDeclared, "urlFrom" | "passwordFrom" | "management" | "tls"> &
  Readonly<{
    password?: string;
    tls?: Tls | undefined;
    management: Omit<RabbitDeclared["management"], "passwordFrom"> & Readonly<{ password?: string }>;
  }>;

export type Login = Readonly<{ username: string; password: string }>;

/** Where to dial, in order, and how to log in; without a login the client's certificate is it. */
export type RabbitAddress = Readonly<{ nodes: readonly HostPort[]; tls: boolean; vhost: string; login?: Login }>;

/** Throws BrokerError without quoting the address. */
export function addressOf(settings: RabbitSettings): RabbitAddress {
  const { url, username, password, tls } = settings;
  const parsed = url === undefined ? undefined : parseUrl(url);
  if (!parsed) throw new BrokerError({ kind: "invalid", message: "the address is not of the form amqp://host:port/vhost" });
  if (tls && !parsed.tls)
    throw new BrokerError({ kind: "invalid", message: "the address must begin with amqps:// where tls is given" });
  const login = username === undefined || password === undefined ? parsed.login : { username, password };
  const guest = tls?.certFile === undefined && tls?.cert === undefined ? { username: "guest", password: "guest" } : undefined;
  const found = login ?? guest;
  return {
    nodes: [parsed.node, ...(settings.nodes ?? []).map(parseHostPort)],
    tls: parsed.tls,
    vhost: settings.vhost ?? parsed.vhost,
    ...(found && { login: found }),
  };
}

type ParsedUrl = Readonly<{ node: HostPort; tls: boolean; vhost: string; login?: Login }>;

/**
 * `amqp[s]://[user:password@]host[:port][/vhost]`, RabbitMQ's URI specification; a virtual host may begin with a slash, as
 * Celery's users write it (`amqp://rabbitmq//`). Query parameters are refused.
 */
export function parseUrl(text: string): ParsedUrl | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  const path = /^(?:\/(\/?[^/]*))?$/.exec(url.pathname);
  if (!/^amqps?:$/.test(url.protocol) || url.hostname === "" || !path || url.search !== "" || url.hash !== "") return undefined;
  const [vhost, username, password] = [path[1] ?? "", url.username, url.password].map(decodePart);
  if (vhost === undefined || username === undefined || password === undefined) return undefined;
  const tls = url.protocol === "amqps:";
  return {
    node: { host: url.hostname.replace(/^\[|\]$/g, ""), port: Number(url.port || (tls ? 5671 : 5672)) },
    tls,
    vhost: vhost === "" ? "/" : vhost,
    ...(username !== "" && { login: { username, password } }),
  };
}
