import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { issueCertificate } from "./certificate.ts";
import { type Draft, isKubeError, type Kind, type Kube, type KubeObject, labelsOf, type ObjectRef } from "./kube.ts";

/** PEM, both. */
export type ServerCertificate = Readonly<{ cert: string; key: string }>;

/** Where a server takes its certificate from; asked at the start and again and again, so that a new one is used. */
export type CertificateSource = (signal: AbortSignal) => Promise<ServerCertificate>;

/**
 * `tls.crt` and `tls.key` of a folder: a Secret that cert-manager renews, mounted. Rejects while one of them is being
 * written: a server that is given half of a pair turns everybody away.
 */
export const certificateFiles =
  (folder: string): CertificateSource =>
  async (signal) => {
    const read = (file: string) => readFile(join(folder, file), { encoding: "utf8", signal });
    const [cert, key] = await Promise.all([read("tls.crt"), read("tls.key")]);
    if (!isPair(cert, key)) throw new Error(`tls.crt and tls.key in ${folder} must be a certificate and its key, both PEM`);
    return { cert, key };
  };

function isPair(cert: string, key: string): boolean {
  try {
    return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
  } catch {
    return false; // empty, or cut short
  }
}

const secrets: Kind = { apiVersion: "v1", kind: "Secret", plural: "secrets", namespaced: true };
const configurations: Kind = {
  apiVersion: "admissionregistration.k8s.io/v1",
  kind: "ValidatingWebhookConfiguration",
  plural: "validatingwebhookconfigurations",
  namespaced: false,
};

export type OwnCertificateOptions = Readonly<{
  kube: Kube;
  /** The Secret that all replicas share: `tls.crt`, `tls.key`, and in `ca.crt` every authority that is still trusted. */
  secret: Readonly<{ namespace: string; name: string }>;
  /** Name of the ValidatingWebhookConfiguration that is told of `ca.crt`. */
  configuration: string;
  dnsNames: readonly string[];
  /** ms since 1970. */
  wallClock: () => number;
}>;

const dayMs = 86_400_000;
const lifeMs = 365 * dayMs;
/** Renewed with a third of its life left: replicas that have not read the new one yet have time to. */
const leftMs = lifeMs / 3;
/** Begins in the past: clocks differ. */
const skewMs = dayMs / 24;
const attempts = 5;

/**
 * A certificate of our own, made by the first replica that finds none and renewed long before its end. The new authority
 * is trusted beside the former one, so that it does not matter which replica has which certificate. Rejects with KubeError.
 */
export const ownCertificate =
  (options: OwnCertificateOptions): CertificateSource =>
  async (signal) => {
    const { bundle, ...certificate } = await sharedCertificate(options, signal);
    await tellAuthority(options, bundle, signal);
    return certificate;
  };

type Shared = ServerCertificate & Readonly<{ bundle: string }>;
type Secret = KubeObject & Readonly<{ data?: Readonly<Record<string, string>> }>;

async function sharedCertificate(options: OwnCertificateOptions, signal: AbortSignal): Promise<Shared> {
  const { kube, dnsNames, wallClock } = options;
  const ref: ObjectRef = { kind: secrets, ...options.secret };
  for (let attempt = 1; ; attempt++) {
    const found = await existing(kube, ref, signal);
    const now = wallClock();
    const kept = found && usable(found, dnsNames, now);
    if (kept) return kept;
    const issued = issueCertificate({ dnsNames, from: now - skewMs, until: now + lifeMs });
    const bundle = [issued.ca, ...trusted(decoded(found, "ca.crt"), now)].join("");
    try {
      await store(kube, ref, found, { "tls.crt": issued.cert, "tls.key": issued.key, "ca.crt": bundle }, signal);
      return { cert: issued.cert, key: issued.key, bundle };
    } catch (error) {
      // Another replica was faster: its certificate is ours too.
      if (attempt === attempts || !isKubeError(error, "AlreadyExists", "Conflict")) throw error;
    }
  }
}

async function existing(kube: Kube, ref: ObjectRef, signal: AbortSignal): Promise<Secret | undefined> {
  try {
    return await kube.get<Secret>(ref, { signal });
  } catch (error) {
    if (isKubeError(error, "NotFound")) return undefined;
    throw error;
  }
}

async function store(
  kube: Kube,
  ref: ObjectRef,
  found: Secret | undefined,
  texts: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<void> {
  const data = Object.fromEntries(Object.entries(texts).map(([key, text]) => [key, Buffer.from(text).toString("base64")]));
  const { name, namespace = "" } = ref;
  if (found) {
    await kube.update(ref, { ...found, data } as KubeObject, { signal });
    return;
  }
  const created: Draft & Readonly<{ type: string; data: object }> = {
    metadata: { name, namespace, labels: labelsOf("webhook") },
    type: "kubernetes.io/tls",
    data,
  };
  await kube.create(secrets, created, { signal });
}

/** What the Secret holds, where it is whole, for these names, and not near its end. */
function usable(secret: Secret, dnsNames: readonly string[], now: number): Shared | undefined {
  const [cert, key, bundle] = [decoded(secret, "tls.crt"), decoded(secret, "tls.key"), decoded(secret, "ca.crt")];
  try {
    const own = new X509Certificate(cert);
    const authority = authorities(bundle).find((one) => own.checkIssued(one) && own.verify(one.publicKey));
    const fits =
      authority !== undefined && own.checkPrivateKey(createPrivateKey(key)) && dnsNames.every((name) => own.checkHost(name));
    return fits && own.validToDate.getTime() - now > leftMs ? { cert, key, bundle } : undefined;
  } catch {
    return undefined; // empty, or not ours
  }
}

const decoded = (secret: Secret | undefined, key: string) => Buffer.from(secret?.data?.[key] ?? "", "base64").toString();

const pem = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----\n?/g;

const authorities = (bundle: string) => [...bundle.matchAll(pem)].map(([text]) => new X509Certificate(text));

/** The former authorities that still vouch for somebody. */
function trusted(bundle: string, now: number): readonly string[] {
  try {
    return authorities(bundle)
      .filter((one) => one.validToDate.getTime() > now)
      .slice(0, 3)
      .map(String);
  } catch {
    return [];
  }
}

type Configuration = KubeObject &
  Readonly<{ webhooks?: readonly Readonly<{ name: string; clientConfig: { caBundle?: string } }>[] }>;

/** Writes only where the API server trusts another authority. */
async function tellAuthority({ kube, configuration }: OwnCertificateOptions, bundle: string, signal: AbortSignal): Promise<void> {
  const ref: ObjectRef = { kind: configurations, name: configuration };
  const { webhooks = [] } = await kube.get<Configuration>(ref, { signal });
  const value = Buffer.from(bundle).toString("base64");
  const steps = webhooks.flatMap(({ name, clientConfig }, at) => {
    if (clientConfig.caBundle === value) return [];
    return [
      { op: "test", path: `/webhooks/${at}/name`, value: name },
      { op: "add", path: `/webhooks/${at}/clientConfig/caBundle`, value },
    ] as const;
  });
  if (steps.length > 0) await kube.patch(ref, { type: "json", body: steps }, { signal });
}
