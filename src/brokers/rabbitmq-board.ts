import { monotonicMs } from "./clock.ts";
import type { Holder } from "./rabbitmq-client.ts";
import type { Management } from "./rabbitmq-management.ts";
import { at, count, hasNoMajority, majorityColumns, type Row, rowsOf, string } from "./rabbitmq-rows.ts";

type ChannelRow = Readonly<{ connection: string; host: string; port: number; unacked: number | undefined }>;

/** What moves with every message of a queue, where RabbitMQ keeps it. */
export type Traffic = Readonly<{ published?: number; settled?: number; headAt?: number; takenAt: number }>;

/**
 * The statistics of one virtual host, as RabbitMQ last made them up: who holds what, and how much has passed. They are
 * old by nature and cost the server the more the larger it is, so they are fetched beside the readings, one list at a
 * time, and each reading takes what is there.
 */
export interface Board {
  /** Fetches what is the most overdue, unless something is on its way. */
  refresh(): void;
  /** Who consumes a queue; undefined until everything that tells it has been seen once. */
  holders(queue: string): Readonly<{ holders: readonly Holder[]; takenAt: number }> | undefined;
  traffic(queue: string): Traffic | undefined;
  /**
   * Some quorum queue seems to have lost its majority: whoever lists them asks for that too. Not always, since all nodes are
   * asked then, and one that is silent holds up the answer.
   */
  doubtsMajority(): boolean;
  /** Names that the statistics know: a queue without a leader is among them, and not in the list of the present. */
  queues(): Iterable<string>;
  /** How far the consumers of a stream are behind; undefined where nobody tells. */
  lag(stream: string): Readonly<{ messages: number; takenAt: number }> | undefined;
  /** From now on the consumers of streams are looked at too. */
  wantStreams(): void;
}

type Lane = { readonly everyMs: number; fetch(askedAt: number): Promise<void>; askedAt: number; wanted(): boolean };

export function createBoard(management: Management, vhost: string, intervalMs: number): Board {
  const path = encodeURIComponent(vhost);
  let channels: ReadonlyMap<string, ChannelRow> | undefined;
  let channelsAt = 0;
  let consumers: ReadonlyMap<string, readonly string[]> | undefined;
  /** Names that clients gave their connections; undefined for one that has none. */
  let names = new Map<string, string | undefined>();
  let traffic: ReadonlyMap<string, Traffic> = new Map();
  let doubts = false;
  let lags: ReadonlyMap<string, number> = new Map();
  let lagsAt = 0;
  let trusted = true;
  let streams = false;
  let busy = false;

  const lane = (everyMs: number, fetch: Lane["fetch"], wanted = () => trusted): Lane => ({
    everyMs,
    fetch,
    wanted,
    askedAt: Number.NEGATIVE_INFINITY,
  });
  const always = Number.POSITIVE_INFINITY;
  const lanes: readonly Lane[] = [
    // Without one of these tags a user is shown its own channels only, and not told so.
    lane(always, async () => {
      const tags = at(await management.get("whoami"), "tags");
      const list = Array.isArray(tags) ? tags.map(String) : String(tags ?? "").split(",");
      trusted = list.includes("monitoring") || list.includes("administrator");
    }),
    lane(1500, async (askedAt) => {
      channels = channelRows(
        await management.get(`vhosts/${path}/channels?columns=name,messages_unacknowledged,connection_details`),
      );
      channelsAt = askedAt;
    }),
    lane(3000, async () => {
      consumers = consumerRows(await management.get(`consumers/${path}?columns=queue.name,channel_details.name`));
    }),
    lane(
      3000,
      async () => {
        const rows = rowsOf(await management.get(`vhosts/${path}/connections?columns=name,user_provided_name`));
        names = new Map(rows.map((row) => [String(row["name"]), string(row["user_provided_name"])]));
      },
      () => trusted && [...(channels?.values() ?? [])].some(({ connection }) => !names.has(connection)),
    ),
    lane(
      5000,
      async (askedAt) => {
        const columns = ["publish", "ack", "deliver_no_ack", "get_no_ack"].map((column) => `message_stats.${column}`);
        const present = `columns=name,type,${majorityColumns},head_message_timestamp`;
        const rows = rowsOf(await management.get(`queues/${path}?${present},${columns.join(",")}`));
        traffic = trafficRows(rows, askedAt - intervalMs);
        doubts = rows.some(hasNoMajority);
      },
      () => true,
    ),
    lane(
      3000,
      async (askedAt) => {
        lags = lagRows(await management.get(`stream/consumers/${path}`));
        lagsAt = askedAt - intervalMs;
      },
      () => streams,
    ),
  ];

  const worker = (connection: string, { host, port }: ChannelRow) => names.get(connection) ?? `${host}:${port}`;

  return {
    refresh() {
      if (busy) return;
      const now = monotonicMs();
      const overdue = lanes
        .map((one) => ({ one, late: (now - one.askedAt) / one.everyMs }))
        .filter(({ one, late }) => one.wanted() && (late >= 1 || one.askedAt === Number.NEGATIVE_INFINITY));
      overdue.sort((a, b) => (Number.isNaN(b.late) ? always : b.late) - (Number.isNaN(a.late) ? always : a.late));
      const next = overdue[0]?.one;
      if (next === undefined) return;
      busy = true;
      next.askedAt = now;
      next
        .fetch(now)
        .catch(() => {}) // It stays as old as it was, and says so.
        .finally(() => {
          busy = false;
        });
    },
    holders(queue) {
      if (channels === undefined || consumers === undefined || !trusted) return undefined;
      const held = new Map<string, Holder | undefined>();
      for (const name of consumers.get(queue) ?? []) {
        const row = channels.get(name);
        if (row === undefined) continue;
        const id = worker(row.connection, row);
        const before = held.get(id);
        // What one of its channels holds is not known: then nothing is said of it.
        if (row.unacked === undefined || !names.has(row.connection) || (held.has(id) && before === undefined))
          held.set(id, undefined);
        else held.set(id, { id, host: row.host, busy: (before?.busy ?? 0) + row.unacked });
      }
      return { holders: [...held.values()].filter((one) => one !== undefined), takenAt: channelsAt - intervalMs };
    },
    traffic: (queue) => traffic.get(queue),
    doubtsMajority: () => doubts,
    queues: () => traffic.keys(),
    lag(stream) {
      const messages = lags.get(stream);
      return messages === undefined ? undefined : { messages, takenAt: lagsAt };
    },
    wantStreams() {
      streams = true;
    },
  };
}

function channelRows(answer: unknown): ReadonlyMap<string, ChannelRow> {
  return new Map(
    rowsOf(answer).map((row) => {
      const details = row["connection_details"];
      const host = string(at(details, "peer_host")) ?? "";
      const port = count(at(details, "peer_port")) ?? 0;
      const connection = string(at(details, "name")) ?? "";
      return [String(row["name"]), { connection, host, port, unacked: count(row["messages_unacknowledged"]) }];
    }),
  );
}

/** Channels by the queue that they consume; each once. */
function consumerRows(answer: unknown): ReadonlyMap<string, readonly string[]> {
  const byQueue = new Map<string, Set<string>>();
  for (const row of rowsOf(answer)) {
    const [queue, channel] = [string(at(row, "queue", "name")), string(at(row, "channel_details", "name"))];
    if (queue === undefined || channel === undefined) continue;
    const channels = byQueue.get(queue) ?? new Set();
    byQueue.set(queue, channels.add(channel));
  }
  return new Map([...byQueue].map(([queue, channels]) => [queue, [...channels]]));
}

function trafficRows(answer: readonly Row[], takenAt: number): ReadonlyMap<string, Traffic> {
  const now = Date.now();
  const rows = new Map<string, Traffic>();
  for (const row of answer) {
    const stats = row["message_stats"];
    const published = count(at(stats, "publish"));
    const ends = ["ack", "deliver_no_ack", "get_no_ack"].map((key) => count(at(stats, key)));
    const settled = ends.every((end) => end === undefined) ? undefined : ends.reduce<number>((sum, end) => sum + (end ?? 0), 0);
    const headAt = headTime(row["head_message_timestamp"], now);
    const name = String(row["name"]);
    rows.set(name, {
      ...(published !== undefined && { published }),
      ...(settled !== undefined && { settled }),
      ...(headAt !== undefined && { headAt }),
      takenAt,
    });
  }
  return rows;
}

/** AMQP's timestamp is in seconds; some publishers write ms. One in the future is nobody's age. */
function headTime(value: unknown, now: number): number | undefined {
  const stamp = count(value);
  if (stamp === undefined || stamp === 0) return undefined;
  const ms = stamp < 1e11 ? stamp * 1000 : stamp;
  return ms > now ? undefined : ms;
}

/**
 * The slowest of its consumers counts: they may be groups that each read all of it. Of one that has got nothing yet RabbitMQ 4
 * says 0, however much there is.
 */
function lagRows(answer: unknown): ReadonlyMap<string, number> {
  const lags = new Map<string, number>();
  for (const row of rowsOf(answer)) {
    const [queue, lag] = [string(at(row, "queue", "name")), count(row["offset_lag"])];
    const began = lag !== 0 || row["consumed"] !== 0;
    if (queue !== undefined && lag !== undefined && began) lags.set(queue, Math.max(lag, lags.get(queue) ?? 0));
  }
  return lags;
}
