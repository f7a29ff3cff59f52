import type { Observation, Problem, Reading, Result, Sample } from "../core/contract.ts";
import { checkReading } from "../core/reading.ts";
import { differs } from "./changes.ts";
import type { Link } from "./link.ts";
import type { LastRead, Observed, Watch } from "./observer.ts";

/**
 * One trigger under watch, as it stands. It is the one mutable record of this house: with ten thousand of them,
 * timers, promises or closures for each would cost more than the reading.
 */
export type Watched = {
  readonly watch: Watch;
  readonly listener: (observed: Observed) => void;
  /**
   * The last good reading. While only its time changes it stays the same object, and the time stands beside it: what is at
   * rest leaves nothing behind for a garbage collection, round by round.
   */
  good: Sample | undefined;
  sampledAt: number;
  /** When the question of the last good reading was sent. */
  goodSentAt: number;
  failure: Observation["failure"];
  /** The last read, whatever its outcome. */
  readId: number | null;
  sentAt: number;
  receivedAt: number;
  stopped: boolean;
  /** Its pool is at zero: see Scaler.wakesFromZero. */
  resting: boolean;
  /** A question is on its way: there is never a second one. */
  reading: boolean;
  /** Is to be read as soon as nothing is on its way: it is new, or someone asked. */
  due: boolean;
  /** The first hint that no question has followed yet; that which the question under way followed. */
  hintedAt: number | undefined;
  wokenAt: number | undefined;
  /** When it was last read because of a hint. */
  wokenReadAt: number;
  /** When its failures were last counted. */
  countedAt: number;
  /** Readings in a row that were void because this process stood still. */
  voids: number;
  /** Those who asked since the last question was sent, and those whose question is under way. */
  asking: ((observation: Observation) => void)[] | undefined;
  asked: ((observation: Observation) => void)[] | undefined;
  /** The link on which it can be woken. */
  armedOn: Link | undefined;
  wakeable: Disposable | undefined;
};

export function newWatched(watch: Watch, listener: (observed: Observed) => void): Watched {
  return {
    watch,
    listener,
    good: undefined,
    sampledAt: Number.NaN,
    goodSentAt: Number.NaN,
    failure: undefined,
    readId: null,
    sentAt: Number.NaN,
    receivedAt: Number.NaN,
    stopped: false,
    resting: false,
    reading: false,
    due: true,
    hintedAt: undefined,
    wokenAt: undefined,
    wokenReadAt: Number.NEGATIVE_INFINITY,
    countedAt: Number.NEGATIVE_INFINITY,
    voids: 0,
    asking: undefined,
    asked: undefined,
    armedOn: undefined,
    wakeable: undefined,
  };
}

/** What is known of one is known of another that asks the same: a reload forgets nothing, an outage's count neither. */
export function inherit(watched: Watched, from: Watched): void {
  watched.good = from.good;
  watched.sampledAt = from.sampledAt;
  watched.goodSentAt = from.goodSentAt;
  watched.failure = from.failure;
  watched.readId = from.readId;
  watched.sentAt = from.sentAt;
  watched.receivedAt = from.receivedAt;
  watched.countedAt = from.countedAt;
}

/** What is known of it now. */
export function observationOf({ good, sampledAt, goodSentAt, failure }: Watched): Observation {
  if (good === undefined) return failure === undefined ? {} : { failure };
  const reading: Reading = { ...good, sampledAt };
  return failure === undefined ? { reading, sentAt: goodSentAt } : { reading, sentAt: goodSentAt, failure };
}

export function lastReadOf({ readId, sentAt, receivedAt, wokenAt }: Watched): LastRead | undefined {
  if (readId === null) return undefined;
  return wokenAt === undefined ? { readId, sentAt, receivedAt } : { readId, sentAt, receivedAt, wokenAt };
}

/** When the question was sent and the answer came, monotonic ms, and how to number and to tell it. */
export type Answered = Readonly<{
  sentAt: number;
  receivedAt: number;
  nextId: () => number;
  /** Whether answers that are the very ones of the read before are told too. */
  everyRead: boolean;
  fault: (doing: string, cause: unknown) => void;
}>;

/** Takes the outcome of a read and tells the listener. */
export function takeResult(watched: Watched, result: Result, answered: Answered): void {
  if ("reading" in result && repeats(watched, result.reading) && !answered.everyRead) {
    taken(watched, answered.sentAt, answered);
    return;
  }
  const problem = "problem" in result ? result.problem : checkReading(result.reading);
  if (problem !== undefined) takeProblem(watched, problem, answered);
  else if ("reading" in result) takeReading(watched, result.reading, answered);
}

function takeReading(watched: Watched, reading: Sample, answered: Answered): void {
  const { good: before, failure } = watched;
  const changed = before === undefined || failure !== undefined || differs(before, reading);
  if (changed || reading.sampledAt === undefined || !onlyTimeMoves(before, reading)) watched.good = reading;
  watched.failure = undefined;
  taken(watched, reading.sampledAt ?? answered.sentAt, answered);
  tell(watched, changed, answered);
}

/** Takes the times of a good read. */
function taken(watched: Watched, sampledAt: number, answered: Answered): void {
  watched.sampledAt = sampledAt;
  watched.goodSentAt = answered.sentAt;
  answeredNow(watched, answered);
}

function answeredNow(watched: Watched, { sentAt, receivedAt, nextId }: Answered): void {
  watched.readId = nextId();
  watched.sentAt = sentAt;
  watched.receivedAt = receivedAt;
}

/** The very answer of the read before, and nothing failed since: only the time has moved. */
function repeats({ good, failure }: Watched, reading: Sample): boolean {
  return reading === good && failure === undefined && reading.sampledAt === undefined;
}

/** Of two readings that do not differ: whether neither tells of ages or of workers, which move with the time. */
function onlyTimeMoves(a: Sample, b: Sample): boolean {
  return a.oldestMs === b.oldestMs && a.workers === b.workers && a.ceilingReason === b.ceilingReason;
}

/**
 * The last good reading stays. Failures are counted once per interval at most, however many attempts it saw:
 * "after 3 failures" means about three intervals, woken or not.
 */
export function takeProblem(watched: Watched, problem: Problem, answered: Answered): void {
  const now = answered.receivedAt;
  const { failure } = watched;
  // Jitter shortens intervals by up to 15 %: four fifths of one are one.
  const counts = failure === undefined || now - watched.countedAt >= watched.watch.intervalMs * 0.8;
  if (counts) watched.countedAt = now;
  const count = (failure?.count ?? 0) + (counts ? 1 : 0);
  watched.failure = { problem, since: failure?.since ?? now, count };
  answeredNow(watched, answered);
  tell(watched, counts || failure?.problem.kind !== problem.kind, answered);
}

function tell(watched: Watched, changed: boolean, { fault }: Answered): void {
  if (watched.stopped) return;
  const { wokenAt, sentAt, receivedAt } = watched;
  const readId = watched.readId ?? 0;
  const observation = observationOf(watched);
  try {
    watched.listener(
      wokenAt === undefined
        ? { observation, readId, sentAt, receivedAt, changed }
        : { observation, readId, sentAt, receivedAt, changed, wokenAt },
    );
  } catch (cause) {
    fault("telling of a reading", cause);
  }
}

/** Answers all who asked; there will be no better answer now. */
export function answerAll(watched: Watched): void {
  answer(watched, "asked");
  answer(watched, "asking");
}

export function answer(watched: Watched, who: "asked" | "asking"): void {
  const resolvers = watched[who];
  if (resolvers === undefined) return;
  watched[who] = undefined;
  for (const resolve of resolvers) resolve(observationOf(watched));
}

/** No more hints of that link, or of any. */
export function disarm(watched: Watched): void {
  watched.wakeable?.[Symbol.dispose]();
  watched.wakeable = undefined;
  watched.armedOn = undefined;
}
