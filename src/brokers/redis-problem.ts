import { ErrorReply } from "@redis/client";
import { BrokerError, type Problem, type ProblemKind } from "../core/contract.ts";
import { codeOf, kindOfCode, messageOf, oneClause } from "./socket-problem.ts";

/** First words of Redis' error replies, and what they mean to us. */
const replies: readonly (readonly [RegExp, ProblemKind])[] = [
  [/^(NOAUTH|WRONGPASS|NOPERM|DENIED)\b|invalid password|AUTH.* without any password|user executing the script can't/i, "auth"],
  [/max number of clients/i, "limit"],
  [/^(LOADING|TRYAGAIN)\b/, "loading"],
  [/^(MASTERDOWN|READONLY)\b/, "replica"],
  [/^(CLUSTERDOWN|MOVED|ASK)\b/, "unreachable"],
  [/^BUSY\b/, "timeout"],
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
  if (error instanceof ErrorReply) return { kind: kindOfReply(error.message), message: withoutTrace(error.message, secrets) };
  if (!(error instanceof Error)) return { kind: "internal", message: "something that is no error was thrown" };
  const known = classes[error.constructor.name] ?? classes[error.name];
  if (known) return { kind: known[0], message: known[1] };
  const code = codeOf(error);
  if (error.message === "The queue is full") return { kind: "internal", message: "too much is asked of one connection at once" };
  return { kind: kindOfCode(code) ?? "invalid", message: withoutTrace(messageOf(error, code), secrets) };
}

function kindOfReply(message: string): ProblemKind {
  return replies.find(([pattern]) => pattern.test(message))?.[1] ?? "invalid";
}

/** Some replies carry a trace. */
const withoutTrace = (message: string, secrets: readonly string[]) =>
  oneClause(message.replace(/ script: \w+, on @user_script.*$/s, ""), secrets);
