import { BrokerError, type Problem } from "../core/contract.ts";
import { abortable } from "./abortable.ts";
import { monotonicMs } from "./clock.ts";
import { patiently } from "./patience.ts";
import { type Board, createBoard } from "./rabbitmq-board.ts";
import type { QueueNumbers, Survey } from "./rabbitmq-client.ts";
import type { Depth, RabbitLink } from "./rabbitmq-link.ts";
import type { Management } from "./rabbitmq-management.ts";
import { majorityColumns, type QueueRow, queueColumns, queueRows } from "./rabbitmq-rows.ts";

type Listed = Readonly<{ rows: ReadonlyMap<string, QueueRow>; askedAt: number } | { problem: Problem }>;

/** After so many ms the management API is asked again, once it has failed; each time after twice the time. */
const pauseMs = 2_000;
const longestPauseMs = 30_000;
/** All questions of one survey: less than the observer's deadline, which costs the whole connection. */
const answerMs = 1_750;
const off: Problem = { kind: "missing", message: "the management API is turned off" };
/** The management API was there before, and will be. */
const awayKinds = new Set<Problem["kind"]>(["unreachable", "timeout", "loading", "limit", "internal"]);
const bad = new Set(["down", "stopped", "crashed", "minority", "timeout", "noproc"]);

/** Reads the queues of one virtual host. */
export type Surveyor = (
  link: RabbitLink,
  epoch: string,
  queues: readonly string[],
  patterns: readonly RegExp[],
  signal: AbortSignal,
) => Promise<Survey>;

export function createSurveyor(vhost: string, management: Management | undefined, intervalMs: number): Surveyor {
  const board = management && createBoard(management, vhost, intervalMs);
  /** Queues that the list alone does not tell: they are asked for beside it, not after it. */
  const unsure = new Set<string>();
  const peaks = createPeaks(intervalMs);
  /** Of queues that were asked for: to AMQP a stream is empty, whatever is in it, and so is a quorum queue without a leader. */
  const types = new Map<string, string | undefined>();
  /** By pattern: what matched it before, and is there. */
  const matched = new Map<string, readonly string[]>();
  let asked: Promise<Listed> | undefined;
  let failures = 0;
  let pausedUntil = 0;
  let last: Problem = off;

  const ask = async (management: Management): Promise<Listed> => {
    const askedAt = monotonicMs();
    try {
      const columns = board?.doubtsMajority() ? `${queueColumns},${majorityColumns}` : queueColumns;
      const path = `queues/${encodeURIComponent(vhost)}?disable_stats=true&enable_queue_totals=true&${columns}`;
      const rows = queueRows(await management.get(path));
      failures = 0;
      return { rows, askedAt };
    } catch (error) {
      last = error instanceof BrokerError ? error.problem : { kind: "internal", message: "reading the list of queues" };
      pausedUntil = monotonicMs() + Math.min(longestPauseMs, pauseMs * 2 ** failures++);
      return { problem: last };
    }
  };

  /** Once for all that is asked in one turn: scalers of several types read side by side. */
  const list = (): Promise<Listed> => {
    if (asked) return asked;
    if (management === undefined || monotonicMs() < pausedUntil) return Promise.resolve({ problem: last });
    setImmediate(() => {
      asked = undefined;
    });
    asked = ask(management);
    return asked;
  };

  /** Names by pattern; those too that are not listed: a queue whose leader is away is left out of the list. */
  const match = (rows: ReadonlyMap<string, QueueRow>, patterns: readonly RegExp[]) => {
    const listed = [...rows.keys(), ...(board?.queues() ?? [])];
    const matching = (one: RegExp) => {
      const names = new Set([...listed, ...(matched.get(one.source) ?? [])]);
      return patiently(one.source, () => [...names].filter((name) => one.test(name)));
    };
    return new Map(patterns.map((one) => [one.source, matching(one)]));
  };

  return async (link, epoch, queues, patterns, signal) => {
    const early = [...new Set(queues)].filter((queue) => unsure.has(queue));
    const askedAt = monotonicMs();
    const leftMs = () => Math.max(0, askedAt + answerMs - monotonicMs());
    const [listed, first] = await Promise.all([abortable(list(), signal), link.depths(early, leftMs(), signal)]);
    board?.refresh();
    const rows = "rows" in listed ? listed.rows : undefined;
    const byPattern = rows && patterns.length > 0 ? match(rows, patterns) : undefined;
    const all = new Set([...(byPattern?.values() ?? [])].flatMap((names) => names ?? []));
    const asks = new Set([...queues, ...all]);
    const late = [...asks].filter((queue) => !first.has(queue) && needsDepth(rows, queue));
    const second = await link.depths(late, leftMs(), signal);
    for (const queue of early) if (!needsDepth(rows, queue)) unsure.delete(queue);
    for (const queue of late) unsure.add(queue);
    const depths = new Map([...first, ...second]);
    peaks.see(depths);
    for (const queue of queues) types.set(queue, rows?.get(queue)?.type ?? types.get(queue));
    const isThere = (queue: string) => rows?.has(queue) || !isMissing(depths.get(queue));
    for (const [pattern, names] of byPattern ?? []) if (names) matched.set(pattern, names.filter(isThere));
    const found = { vhost, board, askedAt, intervalMs, peaks, types, listedAt: "rows" in listed ? listed.askedAt : askedAt };
    const blind = "problem" in listed ? listed.problem : off;
    return {
      of: (queue) =>
        rows ? numbersOf(queue, rows, depths.get(queue), found) : bareNumbersOf(queue, depths.get(queue), blind, found),
      matching: ({ source }) => byPattern?.get(source)?.filter(isThere),
      ...(rows ? { names: [...rows.keys()] } : { blind }),
      epoch,
    };
  };
}

const isMissing = (depth: Depth | Problem | undefined) => depth !== undefined && "kind" in depth && depth.kind === "missing";

/** The most that was seen ready of a queue, lately: within the last statistics interval at least, and within two at most. */
function createPeaks(intervalMs: number) {
  let [now, before] = [new Map<string, number>(), new Map<string, number>()];
  let turnsAt = 0;
  return {
    see(depths: ReadonlyMap<string, Depth | Problem>) {
      if (monotonicMs() >= turnsAt) {
        [now, before] = [new Map(), now];
        turnsAt = monotonicMs() + intervalMs;
      }
      for (const [queue, depth] of depths) {
        if ("ready" in depth) now.set(queue, Math.max(depth.ready, now.get(queue) ?? 0));
      }
    },
    of: (queue: string) => Math.max(now.get(queue) ?? 0, before.get(queue) ?? 0),
  };
}

/** Only of classic queues the list tells the present: it asks them. Of others it has statistics. */
function needsDepth(rows: ReadonlyMap<string, QueueRow> | undefined, queue: string): boolean {
  if (rows === undefined) return true;
  const row = rows.get(queue);
  if (row === undefined) return true;
  if (row.type === "stream" || bad.has(row.state)) return false;
  return row.type !== "classic" || row.ready === undefined || row.unacked === undefined;
}

type Found = Readonly<{
  types: ReadonlyMap<string, string | undefined>;
  peaks: Pick<ReturnType<typeof createPeaks>, "of">;
  vhost: string;
  board: Board | undefined;
  askedAt: number;
  listedAt: number;
  intervalMs: number;
}>;

/** By AMQP alone. A zero of a queue that may be a quorum queue is believed only where nobody else could tell it. */
function bareNumbersOf(
  queue: string,
  depth: Depth | Problem | undefined,
  blind: Problem,
  { types, askedAt }: Found,
): QueueNumbers | Problem {
  const type = types.get(queue);
  if (type === "stream")
    return { kind: "missing", message: `of stream '${queue}' only the management API tells, which does not` };
  if (depth === undefined || "kind" in depth) return depth ?? { kind: "internal", message: `queue ${queue} was not asked for` };
  const isZero = depth.ready === 0 && depth.consumers === 0;
  if (!isZero || type === "classic" || !awayKinds.has(blind.kind)) return { ...depth, sampledAt: askedAt };
  const message = `AMQP calls queue '${queue}' empty, as it does a quorum queue without a leader, and the management API, which would tell, is away: ${blind.message}`;
  return { kind: blind.kind, message };
}

function numbersOf(
  queue: string,
  rows: ReadonlyMap<string, QueueRow>,
  depth: Depth | Problem | undefined,
  found: Found,
): QueueNumbers | Problem {
  const { vhost, board, askedAt, listedAt, intervalMs, peaks } = found;
  const row = rows.get(queue);
  if (row === undefined) {
    if (isMissing(depth)) return { kind: "missing", message: `there is no queue '${queue}' in virtual host '${vhost}'` };
    if (depth !== undefined && "kind" in depth) return depth;
    return { kind: "unreachable", message: `queue '${queue}' has no leader: too few of its nodes are up` };
  }
  if (row.state === "minority") {
    const message = `queue '${queue}' has no majority, so that nobody gets its messages: too few of its nodes are up`;
    return { kind: "unreachable", message };
  }
  if (bad.has(row.state))
    return { kind: "unreachable", message: `queue '${queue}' is ${row.state}: its node is down, or too few of its nodes are up` };
  if (row.type === "stream") return streamNumbers(queue, board);
  if (row.type === "classic" && row.ready !== undefined && row.unacked !== undefined) {
    return withStatistics(queue, { ready: row.ready, unacked: row.unacked, sampledAt: listedAt }, board);
  }
  if (depth === undefined || "kind" in depth) return depth ?? { kind: "internal", message: `queue ${queue} was not asked for` };
  if (row.unacked === undefined) return { ...depth, sampledAt: askedAt };
  // What was ready since the statistics were made, and is not now, has been taken: it may well be in hand.
  const taken = Math.max(0, Math.max(row.ready ?? 0, peaks.of(queue)) - depth.ready);
  return withStatistics(queue, { ...depth, unacked: row.unacked + taken, sampledAt: listedAt - intervalMs }, board);
}

function withStatistics(queue: string, numbers: QueueNumbers, board: Board | undefined): QueueNumbers {
  const held = board?.holders(queue);
  const { published, settled, headAt } = board?.traffic(queue) ?? {};
  return {
    ...numbers,
    ...(published !== undefined && { published }),
    ...(settled !== undefined && { settled }),
    ...(headAt !== undefined && numbers.ready > 0 && { headAt }),
    ...(held && { holders: held.holders, sampledAt: Math.min(numbers.sampledAt, held.takenAt) }),
  };
}

/** A stream keeps what was read: its `messages` say nothing of work. */
function streamNumbers(queue: string, board: Board | undefined): QueueNumbers | Problem {
  board?.wantStreams();
  const lag = board?.lag(queue);
  if (lag !== undefined) return { ready: lag.messages, sampledAt: lag.takenAt };
  const message = `how far the consumers of stream '${queue}' are behind is not known: none tells it by the plugin rabbitmq_stream_management`;
  return { kind: "missing", message };
}
