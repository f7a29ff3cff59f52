import { BrokerError, type Problem } from "../core/contract.ts";
import { abortable } from "./abortable.ts";
import { monotonicMs } from "./clock.ts";
import { type Board, createBoard } from "./rabbitmq-board.ts";
import type { QueueNumbers, Survey } from "./rabbitmq-client.ts";
import type { Depth, RabbitLink } from "./rabbitmq-link.ts";
import type { Management } from "./rabbitmq-management.ts";
import { type QueueRow, queueRows } from "./rabbitmq-rows.ts";

type Listed = Readonly<{ rows: ReadonlyMap<string, QueueRow>; askedAt: number } | { problem: Problem }>;

/** After so many ms the management API is asked again, once it has failed; each time after twice the time. */
const pauseMs = 2_000;
const longestPauseMs = 30_000;
const off: Problem = { kind: "missing", message: "the management API is turned off" };
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
  /** To AMQP a stream is empty, whatever is in it. */
  const streams = new Set<string>();
  let asked: Promise<Listed> | undefined;
  let failures = 0;
  let pausedUntil = 0;
  let last: Problem = off;

  const ask = async (management: Management): Promise<Listed> => {
    const askedAt = monotonicMs();
    const columns = "columns=name,type,state,messages_ready,messages_unacknowledged";
    try {
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

  return async (link, epoch, queues, patterns, signal) => {
    const early = [...new Set(queues)].filter((queue) => unsure.has(queue));
    const askedAt = monotonicMs();
    const [listed, first] = await Promise.all([abortable(list(), signal), link.depths(early, signal)]);
    board?.refresh();
    const rows = "rows" in listed ? listed.rows : undefined;
    const matched =
      patterns.length === 0 ? [] : [...(rows?.keys() ?? [])].filter((name) => patterns.some((one) => one.test(name)));
    const late = [...new Set([...queues, ...matched])].filter((queue) => !first.has(queue) && needsDepth(rows, queue));
    const second = await link.depths(late, signal);
    for (const queue of early) if (!needsDepth(rows, queue)) unsure.delete(queue);
    for (const queue of late) unsure.add(queue);
    const depths = new Map([...first, ...second]);
    peaks.see(depths);
    for (const queue of queues) if (rows?.get(queue)?.type === "stream") streams.add(queue);
    const found = { vhost, board, askedAt, intervalMs, peaks, streams, listedAt: "rows" in listed ? listed.askedAt : askedAt };
    return {
      of: (queue) => numbersOf(queue, rows, depths.get(queue), found),
      ...(rows ? { names: [...rows.keys()] } : { blind: "problem" in listed ? listed.problem : off }),
      epoch,
    };
  };
}

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
  if (row === undefined || row.type === "stream" || bad.has(row.state)) return false;
  return row.type !== "classic" || row.ready === undefined || row.unacked === undefined;
}

type Found = Readonly<{
  streams: ReadonlySet<string>;
  peaks: Pick<ReturnType<typeof createPeaks>, "of">;
  vhost: string;
  board: Board | undefined;
  askedAt: number;
  listedAt: number;
  intervalMs: number;
}>;

function numbersOf(
  queue: string,
  rows: ReadonlyMap<string, QueueRow> | undefined,
  depth: Depth | Problem | undefined,
  found: Found,
): QueueNumbers | Problem {
  const { vhost, board, askedAt, listedAt, intervalMs, peaks, streams } = found;
  if (rows === undefined) {
    if (streams.has(queue))
      return { kind: "missing", message: `of stream '${queue}' only the management API tells, which does not` };
    if (depth === undefined || "kind" in depth) return depth ?? { kind: "internal", message: `queue ${queue} was not asked for` };
    return { ...depth, sampledAt: askedAt };
  }
  const row = rows.get(queue);
  if (row === undefined) return { kind: "missing", message: `there is no queue '${queue}' in virtual host '${vhost}'` };
  if (bad.has(row.state)) return { kind: "unreachable", message: `queue '${queue}' is ${row.state}` };
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
