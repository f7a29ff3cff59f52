import { z } from "zod";
import { BrokerError } from "../core/contract.ts";
import { clusterOnly, localOnly, objectName, text, variable } from "./fields.ts";
import { redact } from "./redact.ts";

/** Whoever may write a QueueConnection in a cluster must not read the environment and files of the controller by it. */
const inCluster = "use `secretKeyRef`";

/** Where a secret stands. A field `xFrom` of this shape gives the setting `x`. Exactly one place. */
export const secretReference = () =>
  z
    .strictObject({
      env: variable()
        .meta(localOnly(inCluster))
        .optional()
        .describe("Environment variable of Worktide that holds it. Example: `REDIS_PASSWORD`."),
      file: text(4096)
        .meta(localOnly(inCluster))
        .optional()
        .describe("File that holds it; a line end at its end does not count. Read at each dial. Example: `/run/secrets/redis`."),
      secretKeyRef: z
        .strictObject({
          name: objectName().describe("Secret in the same namespace. Example: `redis`."),
          key: text(253).describe("Key within it. Example: `password`."),
        })
        .meta(clusterOnly("use `env` or `file`"))
        .optional()
        .describe("Key of a Kubernetes Secret; in a cluster only. Example: `{ name: redis, key: password }`."),
    })
    .superRefine((reference, context) => {
      if (Object.values(reference).filter((place) => place !== undefined).length === 1) return;
      context.addIssue({
        code: "custom",
        message: "must have exactly one of `env`, `file` and `secretKeyRef`",
        params: { rule: "one-secret-source", unlessUnknown: true },
      });
    });

export type SecretReference = z.output<ReturnType<typeof secretReference>>;

/** How secrets are read. Each resolves with undefined where there is none; anything thrown becomes an `auth` problem. */
export type SecretReaders = Readonly<{
  env(variable: string): string | undefined;
  file(path: string, signal: AbortSignal): Promise<string | undefined>;
  /** Present in a cluster. */
  secret?(place: Readonly<{ namespace: string; name: string; key: string }>, signal: AbortSignal): Promise<string | undefined>;
}>;

/** The readers, and the namespace of every Secret that the settings refer to. */
export type SecretSource = SecretReaders & Readonly<{ namespace?: string }>;

type Tree = Readonly<Record<string, unknown>>;

/**
 * The settings with each `xFrom` replaced by `x`. A secret that is missing or empty is a {@link BrokerError} of kind
 * `auth` that names the place and never the content: an empty password would log in as somebody else.
 */
export async function resolveSecrets<Settings>(
  settings: Settings,
  readers: SecretSource,
  signal: AbortSignal,
): Promise<Settings> {
  return (await resolveValue(settings, readers, signal)) as Settings;
}

async function resolveValue(value: unknown, readers: SecretSource, signal: AbortSignal): Promise<unknown> {
  if (Array.isArray(value)) return Promise.all(value.map((item) => resolveValue(item, readers, signal)));
  if (!isTree(value)) return value;
  const entries = Object.entries(value).map(async ([key, inner]) => {
    if (!isReference(key, inner)) return [key, await resolveValue(inner, readers, signal)] as const;
    return [key.slice(0, -"From".length), await readSecret(inner, readers, signal)] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

async function readSecret(reference: SecretReference, readers: SecretSource, signal: AbortSignal): Promise<string> {
  const { env, file, secretKeyRef } = reference;
  if (env !== undefined) return present(readers.env(env), `environment variable ${env}`, "is not set");
  if (file !== undefined) {
    const content = await readFile(file, readers, signal);
    return present(content?.replace(/\r?\n$/, ""), `file ${redact(file)}`, "does not exist"); // an address may stand there by mistake
  }
  if (secretKeyRef === undefined) throw unreadable("the secret reference names no place");
  const title = `Secret '${secretKeyRef.name}', key '${secretKeyRef.key}'`;
  if (!readers.secret) throw unreadable(`${title} can be read in a cluster only: use \`env\` or \`file\``);
  return present(
    await readers.secret({ namespace: readers.namespace ?? "default", ...secretKeyRef }, signal),
    title,
    "does not exist",
  );
}

async function readFile(path: string, readers: SecretReaders, signal: AbortSignal): Promise<string | undefined> {
  try {
    return await readers.file(path, signal);
  } catch (cause) {
    signal.throwIfAborted();
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unreadable";
    if (code === "ENOENT") return undefined;
    throw new BrokerError({ kind: "auth", message: `file ${redact(path)} cannot be read (${code})` }, { cause });
  }
}

function present(value: string | undefined, title: string, missing: string): string {
  if (value === undefined) throw unreadable(`${title} ${missing}`);
  if (value === "") throw unreadable(`${title} is empty`);
  return value;
}

const unreadable = (message: string) => new BrokerError({ kind: "auth", message });

const isTree = (value: unknown): value is Tree => typeof value === "object" && value !== null;

const isReference = (key: string, value: unknown): value is SecretReference =>
  key.endsWith("From") && isTree(value) && ["env", "file", "secretKeyRef"].some((place) => place in value);
