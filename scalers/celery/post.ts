/** A remote control command for some workers, or for all (kombu 5.7.0, `pidbox.py`). */
export type Command = Readonly<{
  method: string;
  arguments?: Readonly<Record<string, unknown>>;
  /** Node names; absent: every worker. */
  destination?: readonly string[];
  /** How many of them can answer as far as is known by now; absent: all. */
  answers?: () => number;
}>;

/** How many workers got the command, and what those that answered in time said, by node name. */
export type Replies = Readonly<{ receivers: number; byNode: ReadonlyMap<string, unknown> }>;

/** How Worktide and the workers of one broker talk. Every method fails with BrokerError when the connection does. */
export interface Post {
  /**
   * Hands over each event of a worker (`worker-online`, `-heartbeat`, `-offline`); at the second call the same listener goes
   * on. Resolves with the time since when nothing was missed, monotonic ms.
   */
  listen(hear: (event: unknown) => void, signal: AbortSignal): Promise<number>;
  /** How many workers are connected and listen for commands. */
  countListeners(signal: AbortSignal): Promise<number>;
  /**
   * Asks, and waits until all who can have answered or `waitMs` has passed: not answering is data, for a worker with
   * a blocked main loop (pool `solo`) is silent while it works.
   */
  call(command: Command, waitMs: number, signal: AbortSignal): Promise<Replies>;
}

/** How many answers may still come, where so many workers got the command. */
export const expectedOf = ({ destination, answers }: Command, receivers: number): number =>
  Math.min(destination?.length ?? receivers, answers?.() ?? Number.POSITIVE_INFINITY);

/** The exchange of commands, and the one of their answers. */
export const exchange = "celery.pidbox";
export const replyExchange = `reply.${exchange}`;
export const eventExchange = "celeryev";

/** A command as workers read it. `answer` says where to. */
export const toBody = (command: Command, answer?: Readonly<{ ticket: string; routingKey: string }>) => ({
  method: command.method,
  arguments: command.arguments ?? {},
  destination: command.destination ?? null,
  pattern: null,
  matcher: null,
  ...(answer && { ticket: answer.ticket, reply_to: { exchange: replyExchange, routing_key: answer.routingKey } }),
});

/** Puts down the answers of one message: `{ node: answer }`. */
export function takeReply(body: unknown, byNode: Map<string, unknown>): void {
  for (const [node, answer] of Object.entries(typeof body === "object" && body !== null ? body : {})) byNode.set(node, answer);
}
