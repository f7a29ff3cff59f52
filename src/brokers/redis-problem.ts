import { ErrorReply } from "@redis/client";
import { BrokerError, type Problem, type ProblemKind } from "../core/contract.ts";

/** First words of Redis' error replies, and what they mean to us. */
const replies: readonly (readonly [RegExp, ProblemKind])[] = [
  [/^(NOAUTH|WRONGPASS|NOPERM|DENIED)\b|invalid password|AUTH.* without any password|user executing the script can't/i, "auth"],
  [/max number of clients/i, "limit"],
  [/^(LOADING|TRYAGAIN)\b/, "loading"],
  [/^(MASTERDOWN|READONLY)\b/, "replica"],
  [/^(CLUSTERDOWN|MOVED|ASK)\b/, "unreachable"],
  [/^BUSY\b/, "timeout"],
];

/** Codes of Node's sockets and of OpenSSL. */
const codes: readonly (readonly [RegExp, ProblemKind])[] = [
  [
    /^(ERR_TLS|ERR_SSL|ERR_OSSL|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|EPROTO|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE)/,
    "tls",
  ],
  [/^(EMFILE|ENFILE|ENOMEM)/, "internal"],
  [/^E[A-Z_]+$/, "unreachable"],
];

/** The name of the client's own errors, which carry no code. */
const classes: Readonly<Record<string, readonly [ProblemKind, string]>> = {
  SocketTimeoutError: ["timeout", "no answer: the connection was given up"],
  ConnectionTimeoutError: ["timeout", "no answer to the connection attempt"],
  TimeoutError: ["timeout", "no answer within the deadline"],
  AbortError: ["timeout", "no answer within the deadline"],
  SocketClosedUnexpectedlyError: ["unreachable", "the server closed the connection"],
  ClientClosedError: ["unreachable", "the connection is closed"],
  ClientOfflineError: ["unreachable", "the connection is closed"],
  DisconnectsClientError: ["unreachable", "the connection is closed"],
};

/** An error of Redis or of the way to it, as data. `secrets` never stand in the message. */
export function redisProblem(error: unknown, secrets: readonly string[] = []): Problem {
  if (error instanceof BrokerError) return error.problem;
  if (error instanceof ErrorReply) return { kind: kindOfReply(error.message), message: hide(oneClause(error.message), secrets) };
  if (!(error instanceof Error)) return { kind: "internal", message: "something that is no error was thrown" };
  const known = classes[error.constructor.name] ?? classes[error.name];
  if (known) return { kind: known[0], message: known[1] };
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  if (error.message === "The queue is full") return { kind: "internal", message: "too much is asked of one connection at once" };
  const kind = codes.find(([pattern]) => pattern.test(code))?.[1] ?? "invalid";
  return { kind, message: hide(oneClause(messageOf(error, code)), secrets) };
}

export function kindOfReply(message: string): ProblemKind {
  return replies.find(([pattern]) => pattern.test(message))?.[1] ?? "invalid";
}

/** Node packs the errors of several addresses of one host into one without a message. */
function messageOf(error: Error, code: string): string {
  if (error.message !== "") return error.message;
  const first = error instanceof AggregateError ? error.errors[0] : undefined;
  return first instanceof Error ? first.message : code;
}

/** OpenSSL's messages carry addresses in memory and source lines, some replies a trace. */
function oneClause(message: string): string {
  const openssl = /:SSL routines:[^:]*:([^:]+):/.exec(message);
  const text = openssl?.[1] ? `TLS: ${openssl[1]}` : message.replace(/ script: \w+, on @user_script.*$/s, "");
  return text.replace(/\s+/g, " ").trim().slice(0, 200);
}

function hide(message: string, secrets: readonly string[]): string {
  let text = message;
  for (const secret of secrets) {
    for (const form of [secret, encodeURIComponent(secret)]) if (form !== "") text = text.replaceAll(form, "***");
  }
  return text;
}
