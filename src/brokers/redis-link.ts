import { createClient, ErrorReply } from "@redis/client";
import { BrokerError, type Problem } from "../core/contract.ts";
import { abortable } from "./abortable.ts";
import { formatHostPort } from "./host-port.ts";
import { boundReplies } from "./redis-bound.ts";
import type { RedisValue } from "./redis-client.ts";
import { evictionWarning, type Identity, readIdentity } from "./redis-identity.ts";
import { redisProblem } from "./redis-problem.ts";
import type { RedisAddress } from "./redis-settings.ts";
import { createEnding } from "./session.ts";
import { type Tls, tlsOptions } from "./tls.ts";

boundReplies();

/** One connection to one server. It never comes back: whoever lost it opens another one. */
export interface Link {
  /** host:port */
  readonly address: string;
  /** The server tells of changes of the keys that were read. */
  readonly tracking: boolean;
  readonly lost: Promise<Problem>;
  /** Why jobs may vanish from it. */
  readonly warning: string | undefined;
  /** Rejects with ErrorReply where Redis answered with an error, with BrokerError where the connection failed. */
  send(words: readonly string[]): Promise<RedisValue>;
  /** Role and identity of the data, asked for once per flush. */
  identity(): Promise<Identity>;
  subscribe(pattern: string, listener: (channel: string, message: string) => void, signal: AbortSignal): Promise<void>;
  destroy(problem?: Problem): void;
}

export type LinkOptions = Readonly<{
  address: RedisAddress;
  tls?: Tls | undefined;
  /** Called with a key that was read and has changed; null: all of them may have. Absent: no tracking. */
  onInvalidate?: (key: string | null) => void;
  /** Sentinels speak RESP2 in all versions. */
  sentinel?: boolean;
}>;

/**
 * Settings that were seen to fail in time where the defaults hang: no offline queue, a socket that is silent for 2.5 s
 * is dead, a ping each second keeps a healthy one from being silent, and no reconnecting behind our back, for what was
 * known and armed on the old connection does not count on the new one. The command timeout of this client covers only
 * commands that are not written yet, and costs a timer each: deadlines are the caller's.
 */
const settings = {
  disableOfflineQueue: true,
  commandsQueueMaxLength: 2000,
  pingInterval: 1000,
  disableClientInfo: true,
  maintNotifications: "disabled",
  commandOptions: { timeout: 0 },
} as const;
const socketSettings = { socketTimeout: 2500, connectTimeout: 2500, reconnectStrategy: false } as const;

/** Dials, does TLS, logs in and gets a first answer, all before `signal` fires. Throws BrokerError. */
export async function openLink(options: LinkOptions, signal: AbortSignal): Promise<Link> {
  const socketOptions = await socketOptionsOf(options);
  try {
    return await connect(options, socketOptions, options.onInvalidate !== undefined, signal);
  } catch (error) {
    // A user who may not track changes still may read: then there is polling only.
    if (!(error instanceof BrokerError) || !/client\|?\s?tracking/i.test(error.message)) throw error;
    return connect(options, socketOptions, false, signal);
  }
}

type SocketOptions = Awaited<ReturnType<typeof socketOptionsOf>>;

async function connect(options: LinkOptions, socket: SocketOptions, tracking: boolean, signal: AbortSignal): Promise<Link> {
  const { username, password, database } = options.address;
  const secrets = password === undefined ? [] : [password];
  const toError = (error: unknown) => new BrokerError(redisProblem(error, secrets), { cause: undefined });
  const client = createClient({
    ...settings,
    socket,
    RESP: options.sentinel ? 2 : 3,
    database: options.sentinel ? 0 : database,
    emitInvalidate: tracking,
    ...(options.sentinel ? {} : { name: "worktide" }),
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
  });

  const { lost, gone, throwIfGone, destroy } = createEnding(() => client.destroy());
  /** What a question failed with: where the connection ended first, that. */
  const failure = (error: unknown) => {
    const why = gone();
    return why ? new BrokerError(why) : toError(error);
  };
  client.on("error", (error: unknown) => {
    // A ping that the server refuses (MISCONF, no permission) is an answer. Everything else, a reply that cannot be
    // decoded above all, leaves a stream of replies that no longer fits the questions.
    if (!(error instanceof ErrorReply)) destroy(redisProblem(error, secrets));
  });
  client.on("terminated", (error: unknown) => destroy(redisProblem(error, secrets)));
  client.on("end", () => destroy());
  if (tracking)
    client.on("invalidate", (key: Buffer | string | null) => options.onInvalidate?.(key === null ? null : String(key)));

  const send = async (words: readonly string[]): Promise<RedisValue> => {
    throwIfGone();
    try {
      return await client.sendCommand<RedisValue>(words);
    } catch (error) {
      if (error instanceof ErrorReply) throw error;
      throw failure(error);
    }
  };

  const connecting = client.connect();
  // Destroying a client that is still dialling does not stop the dial: once more when it has ended.
  connecting.then(
    () => gone() && client.destroy(),
    () => destroy(),
  );
  try {
    await abortable(connecting, signal);
    // The handshake turns it on in the mode in which every read arms; see Tracker for why that will not do.
    if (tracking)
      void Promise.all([send(["CLIENT", "TRACKING", "OFF"]), send(["CLIENT", "TRACKING", "ON", "OPTIN"])]).catch(() => {});
    const readEpoch = options.sentinel ? undefined : readIdentity(send);
    // The first answer may fail before it, and then nobody waits for this one: a rejection that nobody sees ends the process.
    readEpoch?.catch(() => {});
    const warning = options.sentinel ? undefined : evictionWarning(send);
    warning?.catch(() => {});
    await abortable(firstAnswer(send), signal);
    return {
      address: formatHostPort(options.address),
      tracking,
      lost,
      warning: await (warning && abortable(warning, signal)),
      send,
      identity: readEpoch ? await abortable(readEpoch, signal) : async () => ({ role: "unknown", epoch: "" }),
      async subscribe(pattern, listener, until) {
        const take = (message: string, channel: string) => listener(channel, message);
        try {
          await client.pSubscribe(pattern, take);
        } catch (error) {
          throw failure(error);
        }
        const leave = () => void client.pUnsubscribe(pattern, take).catch(() => {}); // only a lost connection cannot
        if (until.aborted) leave();
        else until.addEventListener("abort", leave, { once: true });
      },
      destroy,
    };
  } catch (error) {
    const why = failure(error);
    destroy(why.problem);
    throw why;
  }
}

/** Any answer will do, but for those that say that reads would fail as well. */
async function firstAnswer(send: Link["send"]): Promise<void> {
  try {
    await send(["PING"]);
  } catch (error) {
    if (!(error instanceof ErrorReply) || /^(LOADING|MASTERDOWN|NOAUTH)/.test(error.message)) throw error;
  }
}

async function socketOptionsOf({ address, tls }: LinkOptions) {
  const { host, port } = address;
  if (!address.tls) return { ...socketSettings, host, port };
  return { ...socketSettings, host, port, tls: true as const, ...(await tlsOptions(tls)) };
}
