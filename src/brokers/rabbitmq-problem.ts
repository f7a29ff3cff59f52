import { BrokerError, type Problem, type ProblemKind } from "../core/contract.ts";
import { codeOf, kindOfCode, messageOf, oneClause } from "./socket-problem.ts";

/** Words of RabbitMQ's replies and of amqplib's own errors, and what they mean to us; the first that fits counts. */
const replies: readonly (readonly [RegExp, ProblemKind])[] = [
  [/down or inaccessible/i, "unreachable"], // the home node of a classic queue
  [/vhost .* not found|vhost .* is down/i, "missing"],
  [/no leader|timeout.*queue|INTERNAL_ERROR|RESOURCE_ERROR/i, "unreachable"],
  [/NOT[_-]FOUND/i, "missing"],
  [/limit .* is reached|connection limit|channel_max/i, "limit"],
  [/ACCESS[_-]REFUSED|SASL mechanism|NOT_ALLOWED|access to vhost/i, "auth"],
  [/CONNECTION[_-]FORCED|Unexpected close|Socket closed|Heartbeat timeout|channel ended|closed/i, "unreachable"],
  [/ETIMEDOUT|no answer/i, "timeout"],
];

/** An error of RabbitMQ or of the way to it, as data. `secrets` never stand in the message. */
export function rabbitProblem(error: unknown, secrets: readonly string[] = []): Problem {
  if (error instanceof BrokerError) return error.problem;
  if (!(error instanceof Error)) return { kind: "internal", message: "something that is no error was thrown" };
  const code = codeOf(error);
  const text = plain(messageOf(error, code), secrets);
  const kind = kindOfCode(code) ?? replies.find(([pattern]) => pattern.test(text))?.[1] ?? "invalid";
  return { kind, message: text };
}

/** Without amqplib's frame around what the server said. */
function plain(message: string, secrets: readonly string[]): string {
  const said = /(?:terminated|closed) by server: \d+ \([A-Z-]+\) with message "(.*)"$/s.exec(message)?.[1];
  const opened = /Operation failed: \w+; \d+ \([A-Z-]+\) with message "(.*)"$/s.exec(message)?.[1];
  return oneClause((said ?? opened ?? message).replace(/^([A-Z_]+) - /, "$1: "), secrets);
}
