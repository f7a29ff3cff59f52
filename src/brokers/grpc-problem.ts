import { redact } from "../api/redact.ts";
import { BrokerError, type Problem, type ProblemKind } from "../core/contract.ts";
import { oneClause } from "./socket-problem.ts";

/** Status codes of gRPC, and what they mean to us; all others are an answer that makes no sense. */
export const kinds: Readonly<Record<number, ProblemKind>> = {
  1: "timeout", // CANCELLED
  4: "timeout", // DEADLINE_EXCEEDED
  5: "missing", // NOT_FOUND
  7: "auth", // PERMISSION_DENIED
  8: "limit", // RESOURCE_EXHAUSTED
  14: "unreachable", // UNAVAILABLE
  16: "auth", // UNAUTHENTICATED
};

const names: Readonly<Record<number, string>> = {
  2: "UNKNOWN",
  3: "INVALID_ARGUMENT",
  4: "DEADLINE_EXCEEDED",
  5: "NOT_FOUND",
  7: "PERMISSION_DENIED",
  8: "RESOURCE_EXHAUSTED",
  9: "FAILED_PRECONDITION",
  12: "UNIMPLEMENTED",
  13: "INTERNAL",
  14: "UNAVAILABLE",
  16: "UNAUTHENTICATED",
};

export const unimplemented = 12;

/** The status of an error of gRPC; undefined where it is another one. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "number" ? error.code : undefined;
}

/** An error of gRPC as data. `secrets` never stand in the message. */
export function grpcProblem(error: unknown, secrets: readonly string[]): Problem {
  if (error instanceof BrokerError) return error.problem;
  const status = statusOf(error);
  if (status === undefined) return { kind: "internal", message: "something that is no error of gRPC was thrown" };
  if (status === 4) return { kind: "timeout", message: "no answer" };
  const details = error instanceof Error && "details" in error ? String(error.details) : "";
  const text = redact(plain(details, secrets));
  if (status === 14 && /certificate|altnames|SSL|\bTLS\b|tlsv1/i.test(text)) return { kind: "tls", message: text };
  const message = text === "" ? `answers ${names[status] ?? status}` : `${names[status] ?? status}: ${text}`;
  return { kind: kinds[status] ?? "invalid", message: status === 14 && text !== "" ? text : message };
}

/** Without the frame that the library puts around the socket's own words. */
function plain(details: string, secrets: readonly string[]): string {
  const cause = /Last error: (?:Error: )?(.*?)(?: \(\d{4}-[^)]*\))?(?:\. Resolution note:.*)?$/s.exec(details)?.[1];
  return oneClause(cause ?? details, secrets);
}
