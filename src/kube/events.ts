import { createHash } from "node:crypto";
import { createAllowance } from "./allowance.ts";
import { type Draft, isKubeError, type Kind, type Kube } from "./kube.ts";
import { microTime } from "./lease-record.ts";
import { jitterMs, pause } from "./wait.ts";

export const eventKind: Kind = { apiVersion: "events.k8s.io/v1", kind: "Event", plural: "events", namespaced: true };

/** What an event is about. */
export type ObjectReference = Readonly<{ apiVersion: string; kind: string; namespace?: string; name: string; uid?: string }>;

/** What happened. `reason` and `action` are CamelCase words, `note` is for people. */
export type EventNote = Readonly<{
  regarding: ObjectReference;
  related?: ObjectReference;
  type: "Normal" | "Warning";
  reason: string;
  action: string;
  note: string;
}>;

export type EventsOptions = Readonly<{
  /** With the fence of the leader. */
  kube: Kube;
  /** `worktide.dev/controller`. */
  controller: string;
  /** Name of the pod. */
  instance: string;
  /** Takes secrets out of notes. */
  redact: (text: string) => string;
  clock?: () => number;
  onProblem?: (error: unknown) => void;
}>;

/** Tells the API server of what happened. Never waits, never queues without bound, never fails. */
export interface Events extends AsyncDisposable {
  emit(event: EventNote): void;
  /** Events that were not sent: too many at once, or refused. */
  dropped(): number;
}

/** Repeats within this time are one series, ms (as client-go has it). */
const seriesMs = 6 * 60_000;
/** A series is told of at most so often, ms. */
const patchEveryMs = 60_000;
/** Per object: so many at once, then one more per so many ms. What goes beyond is counted in the series before it. */
const burst = 15;
const refillMs = 30_000;
const longestQueue = 1_000;
/** For what is still to be told at the end, ms. */
const settleMs = 500;
const mostTries = 3;
/** As the API server validates them, bytes. */
const noteBytes = 1_024;
const wordBytes = 128;

type Series = { readonly namespace: string; readonly name: string; count: number; told: number; lastAt: number; toldAt: number };

export function createEvents(options: EventsOptions): Events {
  const { kube, clock = () => performance.now(), onProblem = () => {} } = options;
  const ending = new AbortController();
  const series = new Map<string, Series>();
  const allowance = createAllowance({ clock, burst, refillMs });
  const queue: (() => Promise<void>)[] = [];
  let working: Promise<void> | undefined;
  let dropped = 0;

  function enqueue(work: () => Promise<void>): boolean {
    if (queue.length >= longestQueue || ending.signal.aborted) {
      dropped += 1;
      return false;
    }
    queue.push(work);
    start();
    return true;
  }

  /** One at a time: what repeats an event must not overtake it. */
  function start(): void {
    working ??= drain().finally(() => {
      working = undefined;
      if (queue.length > 0) start();
    });
  }

  async function drain(): Promise<void> {
    for (let work = queue.shift(); work; work = queue.shift()) await work();
  }

  /** Never rejects; false: it was not done. */
  async function send(write: () => Promise<unknown>): Promise<boolean> {
    for (let tries = 1; ; tries++) {
      try {
        await write();
        return true;
      } catch (error) {
        if (isKubeError(error, "AlreadyExists")) return true; // the first try was done after all
        const again = isKubeError(error) && (error.status === 0 || error.status === 429 || error.status >= 500);
        if (!again || error.reason === "NotLeader" || tries >= mostTries || ending.signal.aborted) {
          dropped += 1;
          onProblem(error);
          return false;
        }
        await pause(Math.max(error.retryAfterMs ?? 0, jitterMs(tries, 1_000, 10_000)), ending.signal);
      }
    }
  }

  function begin(key: string, event: EventNote): void {
    const object = objectOf(event, options);
    const { name, namespace } = object.metadata;
    const one: Series = { namespace, name, count: 1, told: 1, lastAt: clock(), toldAt: clock() };
    series.set(key, one);
    const sent = enqueue(async () => {
      if (!(await send(() => kube.create(eventKind, object, { lane: "events" })))) series.delete(key);
    });
    if (!sent) series.delete(key);
  }

  function tell(key: string, one: Series): void {
    one.toldAt = clock();
    one.told = one.count;
    const { name, namespace } = one;
    const patch = { type: "merge", body: { series: { count: one.count, lastObservedTime: microTime() } } } as const;
    enqueue(async () => {
      // Events live for an hour: when it is gone, the next one begins anew.
      if (!(await send(() => kube.patch({ kind: eventKind, namespace, name }, patch, { lane: "events" })))) series.delete(key);
    });
  }

  function repeat(key: string, one: Series): void {
    one.count += 1;
    one.lastAt = clock();
    if (clock() - one.toldAt >= patchEveryMs || one.told === 1) tell(key, one);
  }

  /** Tells of what was counted, and forgets what has ended. */
  const timer = setInterval(() => {
    for (const [key, one] of series) {
      if (one.count > one.told && clock() - one.toldAt >= patchEveryMs) tell(key, one);
      else if (clock() - one.lastAt >= seriesMs && one.count === one.told) series.delete(key);
    }
    allowance.forgetIdle();
  }, 10_000).unref();

  return {
    emit(event) {
      const { regarding, related, type, reason, action, note } = event;
      const object = regarding.uid ?? `${regarding.kind}/${regarding.namespace}/${regarding.name}`;
      const subject = [object, related?.uid, type, reason, action].join();
      const exact = `${subject} ${createHash("sha1").update(note).digest("base64")}`;
      const one = series.get(exact);
      if (one && clock() - one.lastAt < seriesMs) return repeat(exact, one);
      if (allowance.take(object)) {
        begin(exact, event);
        const last = series.get(exact);
        if (last) series.set(subject, last);
        return;
      }
      const last = series.get(subject);
      if (last) repeat(subject, last);
      else dropped += 1;
    },
    dropped: () => dropped,
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await Promise.race([pause(settleMs, ending.signal), working]);
      queue.length = 0;
      ending.abort();
    },
  };
}

function objectOf(event: EventNote, { controller, instance, redact }: EventsOptions) {
  const { regarding, related, type, reason, action, note } = event;
  const name = `${regarding.name.slice(0, 230)}.${crypto.randomUUID().replaceAll("-", "").slice(0, 16)}`;
  return {
    metadata: { name, namespace: regarding.namespace ?? "default" },
    eventTime: microTime(),
    reportingController: cut(controller, wordBytes),
    reportingInstance: cut(instance, wordBytes),
    type,
    reason: cut(reason, wordBytes),
    action: cut(action, wordBytes),
    regarding,
    ...(related === undefined ? {} : { related }),
    note: cut(redact(note), noteBytes),
  } satisfies Draft;
}

/** At most so many bytes of UTF-8, never half a character. */
function cut(text: string, bytes: number): string {
  if (Buffer.byteLength(text) <= bytes) return text;
  const room = bytes - Buffer.byteLength("…");
  return `${new TextDecoder().decode(Buffer.from(text).subarray(0, room)).replace(/\uFFFD+$/, "")}…`;
}
