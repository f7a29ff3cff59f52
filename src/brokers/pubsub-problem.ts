import { BrokerError, type Problem } from "../core/contract.ts";
import { kinds, statusOf } from "./grpc-problem.ts";
import { codeOf, hide, kindOfCode, oneClause } from "./socket-problem.ts";

/** Codes of gRPC, and what they mean to us: with Google these two are not about the question. */
const codes: typeof kinds = { ...kinds, 10: "unreachable" /* ABORTED */, 13: "unreachable" /* INTERNAL */ };

/** What google-auth-library says when a credential is of no use; it comes as a plain error, or within one of gRPC. */
const credential =
  /default credentials|invalid_grant|invalid_client|unauthorized_client|invalid_scope|error was returned while attempting to retrieve an access ?token|private.?key|DECODER|PEM|metadata server/i;

/** And where it got none for any other reason: the metadata server of the pod is not there, or not yet. */
const noToken = /Could not refresh access token/i;

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
  if (noToken.test(error.message)) return { kind: "unreachable", message };
  const code = statusOf(error);
  const kind = code === undefined ? kindOfCode(codeOf(error)) : codes[code];
  return { kind: kind ?? "invalid", message };
}

/** Without gRPC's number in front: "PERMISSION_DENIED: …". */
function plain({ message }: Error): string {
  return message.replace(/^\d+ (?=[A-Z_]+:)/, "").replace(/^.*Getting metadata from plugin failed with error: /s, "");
}
