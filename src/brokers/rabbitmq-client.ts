import type { Channel } from "amqplib";
import type { Problem } from "../core/contract.ts";

/** Who holds messages of a queue: a client, by the name that it gave its connection, else by its peer's host and port. */
export type Holder = Readonly<{ id: string; host: string; busy: number }>;

/** One queue as it is. What is absent is not known. */
export type QueueNumbers = Readonly<{
  /** Messages that nobody has; of a stream how far its consumers are behind. */
  ready: number;
  /** Messages delivered and not acknowledged. */
  unacked?: number;
  consumers?: number;
  /** Everybody who consumes the queue, and what each has in hand. */
  holders?: readonly Holder[];
  /** Wall clock ms since 1970 of the next message, where publishers set its timestamp. */
  headAt?: number;
  /** Ever-growing: messages that came, and that are done with. */
  published?: number;
  settled?: number;
  /** When the oldest of these numbers was taken, monotonic ms. */
  sampledAt: number;
}>;

/** Queues of one virtual host at one instant. */
export type Survey = Readonly<{
  of(queue: string): QueueNumbers | Problem;
  /** Every queue's name; undefined without the management API. */
  names?: readonly string[];
  /** Those of them that one of the patterns asked for matches; undefined where that took too long. */
  matching(pattern: RegExp): readonly string[] | undefined;
  /** Why the management API tells nothing now; undefined while it does. */
  blind?: Problem;
  /** Changes when the connection does: nothing that RabbitMQ tells outlives that with certainty. */
  epoch: string;
}>;

/** A channel of a connection that may publish. Whatever the server refuses on it closes it. */
export type RabbitChannel = Channel;

/** What scalers ask of RabbitMQ. Every method fails with BrokerError when the connection does. */
export interface RabbitReader {
  readonly kind: "rabbitmq";
  /** The virtual host of the connection. */
  readonly vhost: string;
  /**
   * Reads these queues, and those whose names match: one list of the management API for all that is asked of a virtual
   * host in one turn, and AMQP for what it does not know, or knows too late (quorum queues).
   */
  survey(vhost: string, queues: readonly string[], patterns: readonly RegExp[], signal: AbortSignal): Promise<Survey>;
  /**
   * A new channel on a second connection, for who has to hear and to publish: a server short of memory or disk stops
   * connections that publish, and the readings must go on.
   */
  speak(): Promise<RabbitChannel>;
}
