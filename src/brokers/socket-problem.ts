import type { ProblemKind } from "../core/contract.ts";

/** Codes of Node's sockets and of OpenSSL. */
const codes: readonly (readonly [RegExp, ProblemKind])[] = [
  [
    /^(ERR_TLS|ERR_SSL|ERR_OSSL|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|EPROTO|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE)/,
    "tls",
  ],
  [/^(EMFILE|ENFILE|ENOMEM)/, "internal"],
  [/^E[A-Z_]+$/, "unreachable"],
];

/** What a code says; undefined where it is none that we know. */
export const kindOfCode = (code: string): ProblemKind | undefined => codes.find(([pattern]) => pattern.test(code))?.[1];

export const codeOf = (error: object): string => ("code" in error && typeof error.code === "string" ? error.code : "");

/** Node packs the errors of several addresses of one host into one without a message. */
export function messageOf(error: Error, code: string): string {
  if (error.message !== "") return error.message;
  const first = error instanceof AggregateError ? error.errors[0] : undefined;
  return first instanceof Error ? first.message : code;
}

/** One clause: OpenSSL's messages carry addresses in memory and source lines, and span lines. */
export function oneClause(message: string, secrets: readonly string[] = []): string {
  const openssl = /:SSL routines:[^:]*:([^:]+):/.exec(message);
  const text = openssl?.[1] ? `TLS: ${openssl[1]}` : message;
  // Hidden while they are whole: of one that is cut nothing would be found.
  return hide(text, secrets).replace(/\s+/g, " ").trim().slice(0, 200);
}

/** Without these secrets, as they are and as they stand in addresses. */
export function hide(message: string, secrets: readonly string[]): string {
  let text = message;
  for (const secret of secrets) {
    for (const form of [secret, encodeURIComponent(secret)]) if (form !== "") text = text.replaceAll(form, "***");
  }
  return text;
}
