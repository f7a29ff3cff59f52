import { redact } from "../api/redact.ts";
import { BrokerError, type Problem, type ProblemKind } from "../core/contract.ts";

const longest = 200;

/** An error as data. One that nobody classified is a fault of our own; its text is shortened and loses credentials. */
export function problemOf(error: unknown): Problem {
  if (error instanceof BrokerError) return error.problem;
  const text = error instanceof Error ? error.message : String(error);
  return { kind: "internal", message: redact(text).slice(0, longest) };
}

/** Whether another credential may mend it: then it is looked for often, and tried as soon as it is there. */
export const isOfCredential = (kind: ProblemKind | undefined): boolean => kind === "auth" || kind === "secret";

/**
 * Whether a read that failed with it says that the connection is of no more use. An answer that makes no sense is
 * among them: a socket that lost its step gives every later question the wrong answer.
 */
export function endsConnection(kind: ProblemKind): boolean {
  switch (kind) {
    case "unreachable":
    case "timeout":
    case "auth":
    case "tls":
    case "limit":
    case "invalid":
      return true;
    case "loading":
    case "replica":
    case "missing":
    case "connection":
    case "secret":
    case "internal":
      return false;
  }
}
