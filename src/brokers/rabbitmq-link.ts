import type { Duplex } from "node:stream";
import type { Channel, ChannelModel } from "amqplib";
import { BrokerError, type Problem } from "../core/contract.ts";
import { abortable } from "./abortable.ts";
import { formatHostPort, type HostPort } from "./host-port.ts";
import { rabbitProblem } from "./rabbitmq-problem.ts";
import type { RabbitAddress } from "./rabbitmq-settings.ts";
import { closed, createEnding } from "./session.ts";
import { type Tls, tlsOptions } from "./tls.ts";

/** What a passive declare tells: messages that are ready, and how many consumers there are. */
export type Depth = Readonly<{ ready: number; consumers: number }>;

/** One AMQP connection to one node. It never comes back: whoever lost it opens another one. */
export interface RabbitLink {
  /** The node that answered. */
  readonly node: HostPort;
  readonly lost: Promise<Problem>;
  /** A channel whose errors are nobody's surprise; it closes with the first thing that the server refuses. */
  channel(): Promise<Channel>;
  /**
   * Each queue's depth, or why it is not known: of those that have no answer within `withinMs`, that. A queue whose node is
   * gone and not yet missed (up to a minute) holds up no other. Throws BrokerError when the connection failed.
   */
  depths(queues: readonly string[], withinMs: number, signal: AbortSignal): Promise<ReadonlyMap<string, Depth | Problem>>;
  destroy(problem?: Problem): void;
}

/**
 * amqplib takes the heartbeat from the server (60 s) and finds a silent server after three of them, and dials for ever:
 * both are bounded here. The deadline of a question is the caller's, who destroys the connection when it has passed.
 */
const heartbeatS = 5;
const dialMs = 2500;
/** amqplib has one question under way per channel: so many channels ask side by side. */
const channels = 16;
/** After so long the next question does not wait for the answer to this one any more. */
const slowMs = 250;

const silent: Problem = { kind: "timeout", message: "the queue's node does not answer" };

/**
 * Dials the nodes in turn, and logs in, all before `signal` fires. Begins with one that is drawn: where several are silent,
 * the time of one attempt may be over before all were tried. Throws BrokerError.
 */
export async function openLink(address: RabbitAddress, tls: Tls | undefined, signal: AbortSignal): Promise<RabbitLink> {
  const options = await tlsOptions(tls);
  const problems: Problem[] = [];
  const first = Math.floor(Math.random() * address.nodes.length);
  for (const node of [...address.nodes.slice(first), ...address.nodes.slice(0, first)]) {
    try {
      return await dial(address, node, options, signal);
    } catch (error) {
      const problem = rabbitProblem(error, secretsOf(address));
      // A login that is wrong is wrong on every node.
      if (problem.kind === "auth" || signal.aborted) throw new BrokerError(problem);
      problems.push(problem);
    }
  }
  throw new BrokerError(problems[0] ?? closed);
}

const secretsOf = ({ login }: RabbitAddress) => (login === undefined ? [] : [login.password]);

async function dial(
  address: RabbitAddress,
  node: HostPort,
  certificates: Awaited<ReturnType<typeof tlsOptions>>,
  signal: AbortSignal,
): Promise<RabbitLink> {
  const { connect, credentials } = await import("amqplib"); // when there is a RabbitMQ: 10 MiB
  const { login, tls, vhost } = address;
  const connecting = connect(
    {
      protocol: tls ? "amqps" : "amqp",
      hostname: node.host,
      port: node.port,
      vhost: encodeURIComponent(vhost),
      heartbeat: heartbeatS,
    },
    {
      ...(tls && certificates),
      noDelay: true,
      timeout: dialMs,
      clientProperties: { connection_name: "worktide" },
      credentials: login === undefined ? credentials.external() : credentials.plain(login.username, login.password),
    },
  );
  // One that comes too late is of no use to anybody.
  connecting.then(
    (model) => signal.aborted && streamOf(model).destroy(),
    () => {},
  );
  try {
    return linkOf(await abortable(connecting, signal), node, secretsOf(address));
  } catch (error) {
    if (!/Expected ConnectionOpenOk/.test(String(error))) throw error;
    // amqplib does not pass on what the server said.
    const message = `${formatHostPort(node)} does not let us into the virtual host '${vhost}': it does not exist, the user has no right to it, or it has too many connections`;
    throw new BrokerError({ kind: "auth", message }, { cause: error });
  }
}

/** amqplib closes by asking the server, and has no way to just leave. */
const streamOf = (model: ChannelModel) => (model.connection as unknown as { stream: Duplex }).stream;

/**
 * The most that a message to us may be: no event and no answer of a worker comes near it, and whoever may publish to their
 * exchanges could send as much as the broker lets him (128 MiB and more).
 */
export const mostBytes = 32 * 2 ** 20;

/** amqplib collects whatever is announced. The header of a message says its size, before anything of it is kept. */
function boundMessages(channel: Channel, tooLarge: (bytes: number) => void): void {
  const frames = channel as unknown as { accept(this: unknown, frame: Readonly<{ size?: number }>): void };
  const { accept } = frames;
  frames.accept = function (frame) {
    if (frame.size !== undefined && frame.size > mostBytes) tooLarge(frame.size);
    else accept.call(this, frame);
  };
}

/** Whether it resolved in time. It goes on if not; what it rejects with is thrown while anybody waits. */
async function settledWithin(work: Promise<unknown>, ms: number): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<false>();
  const timer = setTimeout(resolve, ms, false);
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}

function linkOf(model: ChannelModel, node: HostPort, secrets: readonly string[]): RabbitLink {
  const { lost, gone, throwIfGone, destroy } = createEnding((why) => streamOf(model).destroy(new Error(why.message)));
  const idle: Channel[] = [];
  const ended = (error?: Error) => destroy(error && rabbitProblem(error, secrets));
  model.on("error", ended).on("close", ended);

  const tooLarge = (bytes: number) =>
    destroy({ kind: "invalid", message: `a message of ${bytes} bytes came, and ${mostBytes} are the most that is taken` });

  const channel = async (): Promise<Channel> => {
    throwIfGone();
    try {
      const opened = await model.createChannel();
      boundMessages(opened, tooLarge);
      return opened.on("error", () => {});
    } catch (error) {
      throw new BrokerError(gone() ?? rabbitProblem(error, secrets));
    }
  };

  /** Questions under way: none is asked again before it is answered. */
  const asked = new Set<string>();

  /** A question that closed its channel has an answer all the same. */
  const ask = async (queue: string, found: Map<string, Depth | Problem>) => {
    asked.add(queue);
    try {
      const own = idle.pop() ?? (await channel());
      const { messageCount, consumerCount } = await own.checkQueue(queue);
      found.set(queue, { ready: messageCount, consumers: consumerCount });
      if (!gone()) idle.push(own);
    } catch (error) {
      throwIfGone();
      found.set(queue, rabbitProblem(error, secrets));
    } finally {
      asked.delete(queue);
    }
  };

  /** Asks for one queue after the other; resolves when all have been answered. */
  const work = async (left: Iterator<string>, found: Map<string, Depth | Problem>, over: AbortSignal) => {
    const slow: Promise<void>[] = [];
    for (let next = left.next(); !next.done && !over.aborted; next = left.next()) {
      if (asked.has(next.value)) continue;
      const answered = ask(next.value, found);
      if (!(await settledWithin(answered, slowMs))) slow.push(answered);
    }
    await Promise.all(slow);
  };

  return {
    node,
    lost,
    channel,
    async depths(queues, withinMs, signal) {
      const wanted = new Set(queues);
      const [found, left, over] = [new Map<string, Depth | Problem>(), wanted.values(), new AbortController()];
      const workers = Math.min(channels, Math.ceil(wanted.size / 4));
      const all = Promise.all(Array.from({ length: workers }, () => work(left, found, over.signal)));
      try {
        await abortable(settledWithin(all, withinMs), signal);
      } finally {
        over.abort();
      }
      return new Map([...wanted].map((queue) => [queue, found.get(queue) ?? silent]));
    },
    destroy,
  };
}
