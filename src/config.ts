import { z } from "zod";
import { duration } from "./api/duration.ts";
import { redact } from "./api/redact.ts";

/** "127.0.0.1:8484", "[::1]:8484", or a port alone, which means loopback. */
const listen = z
  .string()
  .regex(/^((\[[0-9a-f:.]+\]|[^\s:[\]]+):)?\d{1,5}$/i)
  .refine((text) => Number(/\d+$/.exec(text)?.[0]) <= 65_535)
  .transform((text) => {
    const at = text.lastIndexOf(":");
    const host = at < 0 ? "127.0.0.1" : text.slice(0, at).replace(/^\[|\]$/g, "");
    return { host, port: Number(text.slice(at + 1)) } as const;
  });

const levels = ["error", "warn", "info", "debug"] as const;
const formats = ["pretty", "json"] as const;

/** Where a setting stands in the environment, what it must be, and its schema. */
type Setting<Schema extends z.ZodType = z.ZodType> = Readonly<{ env: string; must: string; schema: Schema }>;
type Settings = Readonly<Record<string, Setting>>;
type Values<S extends Settings> = Readonly<{ [K in keyof S]: z.output<S[K]["schema"]> }>;
type Flags<S extends Settings> = Readonly<Partial<Record<keyof S, string | undefined>>>;

const logs = {
  logLevel: { env: "WORKTIDE_LOG_LEVEL", must: `one of '${levels.join("', '")}'`, schema: z.enum(levels).default("info") },
  logFormat: { env: "WORKTIDE_LOG_FORMAT", must: `one of '${formats.join("', '")}'`, schema: z.enum(formats).optional() },
} as const;

/** Of the commands that run without a cluster, and of those that ask a running one. */
const settings = {
  listen: {
    env: "WORKTIDE_LISTEN",
    must: "host:port such as '127.0.0.1:8484', or a port",
    schema: listen.prefault("127.0.0.1:8484"),
  },
  state: { env: "WORKTIDE_STATE", must: "a folder", schema: z.string().min(1).max(4096).optional() },
  ...logs,
  url: {
    env: "WORKTIDE_URL",
    must: "an http address without a login such as 'http://127.0.0.1:8484'",
    schema: z
      .url({ protocol: /^https?$/ })
      .refine((text) => !/^[^/]*\/\/[^/?#]*@/.test(text))
      .optional(),
  },
} as const;

const label = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** Of the controller in a cluster. */
const controllerSettings = {
  listen: {
    env: "WORKTIDE_LISTEN",
    must: "host:port such as '0.0.0.0:8484', or a port",
    schema: listen.prefault("0.0.0.0:8484"),
  },
  page: { env: "WORKTIDE_PAGE", must: "'loopback' or 'network'", schema: z.enum(["loopback", "network"]).prefault("loopback") },
  ...logs,
  namespaces: {
    env: "WORKTIDE_NAMESPACES",
    must: "names of namespaces with commas between, such as 'shop,mail'",
    schema: z
      .string()
      .transform((text) => [...new Set(text.split(",").map((name) => name.trim()))].toSorted())
      .refine((names) => names.every((name) => label.test(name)))
      .optional(),
  },
  kubeconfig: { env: "KUBECONFIG", must: "a file", schema: z.string().min(1).max(4096).optional() },
  context: { env: "WORKTIDE_CONTEXT", must: "a context of the kubeconfig", schema: z.string().min(1).max(253).optional() },
  leaseName: { env: "WORKTIDE_LEASE_NAME", must: "a name of a Lease", schema: z.string().regex(label).default("worktide") },
  leaseNamespace: { env: "WORKTIDE_LEASE_NAMESPACE", must: "a namespace", schema: z.string().regex(label).optional() },
  leaseDuration: {
    env: "WORKTIDE_LEASE_DURATION",
    must: "a duration from 5s to 5m, such as '15s'",
    schema: duration({ min: "5s", max: "5m" }).prefault("15s"),
  },
  identity: {
    env: "WORKTIDE_IDENTITY",
    must: "a name, unique among the replicas",
    schema: z.string().min(1).max(253).optional(),
  },
  webhook: { env: "WORKTIDE_WEBHOOK", must: "host:port such as '0.0.0.0:9443', or a port", schema: listen.optional() },
  webhookCertDir: {
    env: "WORKTIDE_WEBHOOK_CERT_DIR",
    must: "a folder with `tls.crt` and `tls.key`",
    schema: z.string().min(1).max(4096).optional(),
  },
} as const;

export type Config = Values<typeof settings>;
export type ControllerConfig = Values<typeof controllerSettings>;
type Env = Readonly<Record<string, string | undefined>>;

/** What is wrong with the configuration, all of it: one line each. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/**
 * The configuration: a flag counts before the environment, the environment before the default; an empty variable counts
 * as none. Throws {@link ConfigError} that names every wrong setting, where it came from, and what it must be.
 */
export const readConfig = (env: Env, flags: Flags<typeof settings> = {}): Config => read(settings, env, flags);

/** The same, of the controller in a cluster. */
export const readControllerConfig = (env: Env, flags: Flags<typeof controllerSettings> = {}): ControllerConfig =>
  read(controllerSettings, env, flags);

function read<S extends Settings>(table: S, env: Env, flags: Flags<S>): Values<S> {
  const wrong: string[] = [];
  const entries = Object.entries(table).map(([name, { env: variable, must, schema }]) => {
    const found = flags[name] ?? (env[variable] || undefined);
    const parsed = schema.safeParse(found);
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    const source = flags[name] === undefined ? variable : flag;
    if (!parsed.success) wrong.push(`${source} must be ${must}; found '${redact(String(found))}'`);
    return [name, parsed.data] as const;
  });
  if (wrong.length > 0) throw new ConfigError(wrong.join("\n"));
  return Object.freeze(Object.fromEntries(entries)) as Values<S>;
}
