import { z } from "zod";
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

/** Each setting: where it stands in the environment, what it must be, and its schema. */
const settings = {
  listen: {
    env: "WORKTIDE_LISTEN",
    must: "host:port such as '127.0.0.1:8484', or a port",
    schema: listen.prefault("127.0.0.1:8484"),
  },
  state: { env: "WORKTIDE_STATE", must: "a folder", schema: z.string().min(1).max(4096).optional() },
  logLevel: { env: "WORKTIDE_LOG_LEVEL", must: `one of '${levels.join("', '")}'`, schema: z.enum(levels).default("info") },
  logFormat: { env: "WORKTIDE_LOG_FORMAT", must: `one of '${formats.join("', '")}'`, schema: z.enum(formats).optional() },
  url: {
    env: "WORKTIDE_URL",
    must: "an http address such as 'http://127.0.0.1:8484'",
    schema: z.url({ protocol: /^https?$/ }).optional(),
  },
} as const;

type Name = keyof typeof settings;
export type Config = Readonly<{ [K in Name]: z.output<(typeof settings)[K]["schema"]> }>;

/** What is wrong with the configuration, all of it: one line each. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/**
 * The configuration: a flag counts before the environment, the environment before the default; an empty variable counts
 * as none. Throws {@link ConfigError} that names every wrong setting, where it came from, and what it must be.
 */
export function readConfig(
  env: Readonly<Record<string, string | undefined>>,
  flags: Readonly<Partial<Record<Name, string | undefined>>> = {},
): Config {
  const wrong: string[] = [];
  const entries = (Object.keys(settings) as Name[]).map((name) => {
    const { env: variable, must, schema } = settings[name];
    const found = flags[name] ?? (env[variable] || undefined);
    const parsed = schema.safeParse(found);
    const source = flags[name] === undefined ? variable : `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    if (!parsed.success) wrong.push(`${source} must be ${must}; found '${redact(String(found))}'`);
    return [name, parsed.data] as const;
  });
  if (wrong.length > 0) throw new ConfigError(wrong.join("\n"));
  return Object.freeze(Object.fromEntries(entries)) as Config;
}
