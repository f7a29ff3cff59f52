import { BrokerError, type Problem, type ProblemKind } from "../core/contract.ts";
import { codeOf, kindOfCode, messageOf, oneClause } from "./socket-problem.ts";

/** Names of errors of MySQL, MariaDB and mysql2, and what they mean to us; the first that fits counts. */
const codes: readonly (readonly [RegExp, ProblemKind])[] = [
  [/ACCESS_DENIED|ACCESS_DENY|ER_HOST_|AUTH_|SWITCH_|MUST_CHANGE_PASSWORD|ACCOUNT_/, "auth"],
  [/^ER_(BAD_DB|NO_SUCH_TABLE|SP_DOES_NOT_EXIST|VIEW_INVALID)/, "missing"],
  [/TIMEOUT|INTERRUPTED|ETIMEDOUT/, "timeout"],
  [/CON_COUNT|TOO_MANY_USER|USER_LIMIT/, "limit"],
  [/SSL|TLS/, "tls"],
  [/SHUTDOWN|CONNECTION_LOST|CONNECTION_KILLED|ER_QUERY_INTERRUPTED|PROTOCOL_ENQUEUE|NET_/, "unreachable"],
];

/** An error of MySQL or MariaDB, or of the way to it, as data. `secrets` never stand in the message. */
export function mysqlProblem(error: unknown, secrets: readonly string[] = []): Problem {
  if (error instanceof BrokerError) return error.problem;
  if (!(error instanceof Error)) return { kind: "internal", message: "something that is no error was thrown" };
  const code = codeOf(error);
  const message = oneClause(messageOf(error, code), secrets);
  if (/statement.*time exceeded/i.test(message)) return { kind: "timeout", message }; // MariaDB's has no name in mysql2
  const kind = codes.find(([pattern]) => pattern.test(code))?.[1] ?? kindOfOther(code, message);
  return { kind, message };
}

function kindOfOther(code: string, message: string): ProblemKind {
  if (/^(ER|PROTOCOL|HANDSHAKE)_/.test(code)) return /closed|lost/i.test(message) ? "unreachable" : "invalid";
  return kindOfCode(code) ?? (/certificate/i.test(message) ? "tls" : /closed/i.test(message) ? "unreachable" : "invalid");
}
