import { z } from "zod";
import { BrokerError } from "../core/contract.ts";
import { cel, clusterOnly, complain, exactlyOne, localOnly, objectName, text, variable } from "./fields.ts";
import { redact } from "./redact.ts";

/** Whoever may write a QueueConnection in a cluster must not read the environment and files of the controller by it. */
const inCluster = "use `secretKeyRef`";

const places = {
  env: variable()
    .meta(localOnly(inCluster))
    .optional()
    .describe("Environment variable of Worktide that holds it. Example: `REDIS_PASSWORD`."),
  file: text(4096)
    .meta(localOnly(inCluster))
    .optional()
    .describe("File that holds it; a line end at its end does not count. Read at each dial. Example: `/run/secrets/redis`."),
  secretKeyRef: keyOf("Secret", "redis", "password"),
};

function keyOf(kind: "Secret" | "ConfigMap", example: string, key: string) {
  return z
    .strictObject({
      name: objectName().describe(`${kind} in the same namespace. Example: \`${example}\`.`),
      key: text(253).describe(`Key within it. Example: \`${key}\`.`),
    })
    .meta(clusterOnly("use `env` or `file`"))
    .optional()
    .describe(`Key of a Kubernetes ${kind}; in a cluster only. Example: \`{ name: ${example}, key: ${key} }\`.`);
}

/** Where a secret stands. A field `xFrom` of this shape gives the setting `x`. Exactly one place. */
export const secretReference = () =>
  z
    .strictObject(places)
    .superRefine(onePlace)
    .meta(cel({ rule: "has(self.secretKeyRef)", message: "must have `secretKeyRef`" }));

/** Where that is, for people: the address stands there, not here. */
export function titleOfReference(reference: z.output<ReturnType<typeof secretReference>> | undefined): string {
  const place = reference?.env ?? reference?.file ?? reference?.secretKeyRef?.name ?? "a secret";
  return redact(place); // an address may stand there by mistake
}

/** The same for what is no secret: certificates of authorities. */
export const publicReference = () =>
  z
    .strictObject({ ...places, configMapKeyRef: keyOf("ConfigMap", "redis-ca", "ca.crt") })
    .superRefine(onePlace)
    .meta(cel(exactlyOne(["secretKeyRef", "configMapKeyRef"])));

function onePlace(reference: Readonly<Record<string, unknown>>, context: z.RefinementCtx): void {
  if (Object.values(reference).filter((place) => place !== undefined).length === 1) return;
  complain(context, "one-secret-source", [], "must have exactly one of `env`, `file` and `secretKeyRef`", {
    unlessUnknown: true,
  });
}

export type SecretReference = z.output<ReturnType<typeof publicReference>>;

/** Of which object of the API server a setting is a part. */
export type KeyReference = Readonly<{ kind: "Secret" | "ConfigMap"; namespace: string; name: string; key: string }>;

/** How secrets are read. Each resolves with undefined where there is none; what else is amiss it throws, as a {@link BrokerError}. */
export type SecretReaders = Readonly<{
  env(variable: string): string | undefined;
  file(path: string, signal: AbortSignal): Promise<string | undefined>;
  /** Present in a cluster. */
  key?(place: KeyReference, signal: AbortSignal): Promise<string | undefined>;
}>;

/** The readers, and the namespace of every Secret and ConfigMap that the settings refer to. */
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
  const { env, file } = reference;
  if (env !== undefined) return present(readers.env(env), `environment variable ${env}`, "is not set");
  if (file !== undefined) {
    const content = await readFile(file, readers, signal);
    return present(content?.replace(/\r?\n$/, ""), `file ${redact(file)}`, "does not exist"); // an address may stand there by mistake
  }
  const place = keyPlace(reference, readers.namespace ?? "default");
  if (place === undefined) throw unreadable("the secret reference names no place");
  const title = `${place.kind} '${place.name}', key '${place.key}'`;
  if (!readers.key) throw unreadable(`${title} can be read in a cluster only: use \`env\` or \`file\``);
  return present(await readers.key(place, signal), title, "does not exist");
}

function keyPlace({ secretKeyRef, configMapKeyRef }: SecretReference, namespace: string): KeyReference | undefined {
  if (secretKeyRef) return { kind: "Secret", namespace, ...secretKeyRef };
  return configMapKeyRef && { kind: "ConfigMap", namespace, ...configMapKeyRef };
}

/** Every Secret and ConfigMap that settings refer to: what has to be watched for them. */
export function keyReferences(settings: unknown, namespace: string): readonly KeyReference[] {
  if (!isTree(settings)) return [];
  return Object.entries(settings).flatMap(([key, inner]) => {
    const place = isReference(key, inner) ? keyPlace(inner, namespace) : undefined;
    return place ?? keyReferences(inner, namespace);
  });
}

async function readFile(path: string, readers: SecretReaders, signal: AbortSignal): Promise<string | undefined> {
  try {
    return await readers.file(path, signal);
  } catch (cause) {
    signal.throwIfAborted();
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unreadable";
    if (code === "ENOENT") return undefined;
    throw new BrokerError({ kind: "secret", message: `file ${redact(path)} cannot be read (${code})` }, { cause });
  }
}

function present(value: string | undefined, title: string, missing: string): string {
  if (value === undefined) throw unreadable(`${title} ${missing}`);
  if (value === "") throw unreadable(`${title} is empty`);
  return value;
}

const unreadable = (message: string) => new BrokerError({ kind: "secret", message });

const isTree = (value: unknown): value is Tree => typeof value === "object" && value !== null;

const isReference = (key: string, value: unknown): value is SecretReference =>
  key.endsWith("From") && isTree(value) && ["env", "file", "secretKeyRef", "configMapKeyRef"].some((place) => place in value);
