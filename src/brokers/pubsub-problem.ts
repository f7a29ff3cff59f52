import { BrokerError, type Problem, type ProblemKind } from "../core/contract.ts";
import { codeOf, hide, kindOfCode, oneClause } from "./socket-problem.ts";

/** Codes of gRPC, and what they mean to us. */
const codes: Readonly<Record<number, ProblemKind>> = {
  1: "timeout", // CANCELLED: by us, when the time was over
  4: "timeout", // DEADLINE_EXCEEDED
  5: "missing", // NOT_FOUND
  7: "auth", // PERMISSION_DENIED
  8: "limit", // RESOURCE_EXHAUSTED
  10: "unreachable", // ABORTED
  13: "unreachable", // INTERNAL
  14: "unreachable", // UNAVAILABLE
  16: "auth", // UNAUTHENTICATED
};

/** What google-auth-library says when a credential is of no use; it comes as a plain error, or within one of gRPC. */
const credential =
  /default credentials|invalid_grant|invalid_client|unauthorized_client|invalid_scope|private.?key|DECODER|PEM|metadata server/i;

/** A shorter piece of a key may be any word. */
const leastSecret = 8;

/** An error of Google's clients as data. `secrets` never stand in the message. */
export function googleProblem(error: unknown, secrets: readonly string[] = []): Problem {
  if (error instanceof BrokerError) return error.problem;
  if (!(error instanceof Error)) return { kind: "internal", message: "something that is no error was thrown" };
  // A key has lines, each of them a secret; in one clause there are none.
  const lines = secrets.flatMap((secret) => secret.split("\n")).filter((line) => line.length >= leastSecret);
  const message = oneClause(hide(plain(error), lines));
  if (credential.test(error.message)) return { kind: "auth", message };
  const code = "code" in error && typeof error.code === "number" ? error.code : undefined;
  const kind = code === undefined ? kindOfCode(codeOf(error)) : codes[code];
  return { kind: kind ?? "invalid", message };
}

/** Without gRPC's number in front: "PERMISSION_DENIED: …". */
function plain({ message }: Error): string {
  return message.replace(/^\d+ (?=[A-Z_]+:)/, "").replace(/^.*Getting metadata from plugin failed with error: /s, "");
}
