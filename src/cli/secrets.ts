import { readFile } from "node:fs/promises";
import type { SecretReaders } from "../api/secrets.ts";
import { keepSecret } from "../telemetry/redact.ts";

/** Secrets from environment and files; what was read once is kept out of every output from then on. */
export function secretReaders(env: Readonly<Record<string, string | undefined>>): SecretReaders {
  return {
    env: (name) => kept(env[name]),
    file: async (path, signal) => kept(await readFile(path, { encoding: "utf8", signal })),
  };
}

function kept<Secret extends string | undefined>(secret: Secret): Secret {
  if (secret !== undefined) keepSecret(secret.trim());
  return secret;
}
