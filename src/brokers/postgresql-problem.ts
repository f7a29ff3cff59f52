import { BrokerError, type Problem, type ProblemKind } from "../core/contract.ts";
import { codeOf, kindOfCode, messageOf, oneClause } from "./socket-problem.ts";

/** SQLSTATEs (PostgreSQL, appendix A), and what they mean to us; the first that fits counts. */
const states: readonly (readonly [RegExp, ProblemKind])[] = [
  [/^(28|42501)/, "auth"],
  [/^(42P01|3D000|3F000|42883)/, "missing"],
  [/^(57014|55P03|25P04)/, "timeout"],
  [/^(53300|53400)/, "limit"],
  [/^57P03/, "loading"],
  [/^(57P|08|58)/, "unreachable"],
];

/** What pg itself says, without a code. */
const words: readonly (readonly [RegExp, ProblemKind])[] = [
  [/does not support SSL|establishing an SSL|checkServerIdentity|certificate/i, "tls"],
  [/password must be|SASL|SCRAM/i, "auth"],
  [/terminated|closed|not queryable|Client was closed/i, "unreachable"],
  [/timeout/i, "timeout"],
];

/** An error of PostgreSQL or of the way to it, as data. `secrets` never stand in the message. */
export function postgresProblem(error: unknown, secrets: readonly string[] = []): Problem {
  if (error instanceof BrokerError) return error.problem;
  if (!(error instanceof Error)) return { kind: "internal", message: "something that is no error was thrown" };
  const code = codeOf(error);
  const message = oneClause(messageOf(error, code), secrets);
  if (/client password must be/.test(message))
    return { kind: "auth", message: "the server asks for a password: use `passwordFrom`" };
  const isState = /^[0-9A-Z]{5}$/.test(code) && "severity" in error;
  const known = isState ? states.find(([pattern]) => pattern.test(code))?.[1] : kindOfCode(code);
  const kind = known ?? (isState ? "invalid" : (words.find(([pattern]) => pattern.test(message))?.[1] ?? "invalid"));
  return { kind, message };
}
