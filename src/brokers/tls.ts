import { readFile } from "node:fs/promises";
import { z } from "zod";
import { type CelRule, clusterOnly, complain, localOnly, text } from "../api/fields.ts";
import { publicReference, secretReference } from "../api/secrets.ts";
import { BrokerError } from "../core/contract.ts";

/** Certificates of a connection. `name` stands in the examples: "redis". */
export const tlsSettings = (name: string) => {
  const file = (what: string, example: string, instead: string) =>
    text(4096)
      .meta(localOnly(`use \`${instead}\``))
      .optional()
      .describe(`File with ${what}, PEM; read again at each dial. Example: \`/etc/${name}/${example}\`.`);
  return z.strictObject({
    caFile: file("the certificates of the authorities to trust; absent: those of the system", "ca.crt", "caFrom"),
    certFile: file("the client's certificate", "tls.crt", "certFrom"),
    keyFile: file("the client's key", "tls.key", "keyFrom"),
    caFrom: pem("the certificates of the authorities to trust; absent: those of the system", publicReference, "caFile"),
    certFrom: pem("the client's certificate", secretReference, "certFile"),
    keyFrom: pem("the client's key", secretReference, "keyFile"),
    serverName: text(253)
      .optional()
      .describe(`Name that the server's certificate must carry; absent: the host. Example: \`${name}.shop.svc\`.`),
    insecureSkipVerify: z
      .boolean()
      .default(false)
      .describe("Trust any certificate: for trying things out, never where others can listen. Example: `false`."),
  });
};

/** The same from a Secret: whoever writes a connection in a cluster must not name files of the controller. */
const pem = (what: string, reference: typeof secretReference, instead: string) =>
  reference()
    .meta(clusterOnly(`use \`${instead}\``))
    .optional()
    .describe(`Where ${what} stand, PEM; read again at each dial.`);

/** As declared. */
export type TlsDeclared = z.output<ReturnType<typeof tlsSettings>>;

/** Certificates and keys as PEM, or the files that they stand in. */
export type Tls = Omit<TlsDeclared, "caFrom" | "certFrom" | "keyFrom"> & Readonly<{ ca?: string; cert?: string; key?: string }>;

const pairs = [
  ["certFile", "keyFile"],
  ["certFrom", "keyFrom"],
] as const;

type WithTls = Readonly<{ url?: string | undefined; tls?: TlsDeclared | undefined }>;

/**
 * A client's certificate is of no use without its key; and none is with an address in plain text, where its scheme (`secure`
 * is that for TLS: "rediss") turns TLS on.
 */
export function checkTls({ url, tls }: WithTls, context: z.RefinementCtx, secure?: string): void {
  if (tls && secure !== undefined && url?.startsWith(`${secure.slice(0, -1)}://`)) {
    complain(context, "tls-url", ["url"], mustBegin(secure), { unlessInvalid: ["url"] });
  }
  for (const [cert, key] of pairs) {
    if ((tls?.[cert] === undefined) === (tls?.[key] === undefined)) continue;
    complain(context, "cert-and-key", ["tls"], `must have both of \`${cert}\` and \`${key}\`, or neither`);
  }
}

const mustBegin = (secure: string) => `must begin with ${secure}:// where \`tls\` is given`;

/** {@link checkTls} for the API server. */
export function tlsRules(secure?: string): readonly CelRule[] {
  const pairsRule = {
    rule: "!has(self.tls) || has(self.tls.certFrom) == has(self.tls.keyFrom)",
    message: "`tls` must have both of `certFrom` and `keyFrom`, or neither",
  };
  if (secure === undefined) return [pairsRule];
  const rule = `!has(self.url) || !has(self.tls) || self.url.startsWith('${secure}://')`;
  return [{ rule, message: `\`url\` ${mustBegin(secure)}` }, pairsRule];
}

/** Options for Node's sockets. Files are read now, at each dial, so that a rotated certificate is used. */
export async function tlsOptions(tls: Tls | undefined) {
  const [ca, cert, key] = await Promise.all([
    tls?.ca ?? readPem(tls?.caFile),
    tls?.cert ?? readPem(tls?.certFile),
    tls?.key ?? readPem(tls?.keyFile),
  ]);
  return {
    ...(ca && { ca }),
    ...(cert && { cert }),
    ...(key && { key }),
    ...(tls?.serverName !== undefined && { servername: tls.serverName }),
    rejectUnauthorized: tls?.insecureSkipVerify !== true,
  };
}

async function readPem(path: string | undefined): Promise<Buffer | undefined> {
  if (path === undefined) return undefined;
  try {
    return await readFile(path);
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unreadable";
    throw new BrokerError({ kind: "tls", message: `file ${path} cannot be read (${code})` }, { cause });
  }
}
