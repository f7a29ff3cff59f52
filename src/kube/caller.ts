import { type Answer, DeadlinePassed, type Outgoing } from "./exchange.ts";
import { failureOf, lossOf } from "./failure.ts";
import { type CallOptions, type Fence, KubeError, type Lane } from "./kube.ts";
import type { Links } from "./links.ts";
import type { Turns } from "./turns.ts";
import { jitterMs, pause } from "./wait.ts";

/** What is done to what, as RBAC and metrics name it; a subresource stands behind its kind: `Deployment/scale`. */
export type Deed = Readonly<{
  verb: "get" | "list" | "watch" | "create" | "update" | "patch" | "delete";
  kind: string;
}>;

/** One answer of the API server, or its absence (status 0), for metrics. `ms`: of a watch, until it began. */
export type CallRecord = Deed & Readonly<{ method: string; lane: Lane; status: number; ms: number }>;

/** One call, repeated where that is harmless. */
export type Call = CallOptions &
  Deed &
  Readonly<{
    method: Outgoing["method"];
    /** With its query. */
    path: string;
    body?: unknown;
    /** Of the body. Default `application/json`. */
    contentType?: string;
    fence?: Fence;
    /** For messages: "patching Deployment shop/mails". */
    doing: string;
  }>;

export type Caller = Readonly<{ call<T>(call: Call): Promise<T> }>;

type Tools = Readonly<{
  links: Links;
  turns: Turns;
  clock: () => number;
  onCall: (record: CallRecord) => void;
}>;

/** For the whole call: waiting for its turn, credentials and repeats included. */
const deadlineMs = 8_000;
/** Below the deadline, for undici mends a dead HTTP/2 session after a timeout of its own only. */
const headersTimeoutMs = 5_000;
const bodyTimeoutMs = 5_000;
const mostTries = 4;
/** Less than this is not enough for a write to come back. */
const leastFenceMs = 200;

/**
 * Calls of the API server, JSON to JSON. GETs are repeated after a lost connection and 5xx; every verb after 429 and after
 * what never left this process; a 401 once, with credentials read anew. Anything else is the caller's to judge.
 */
export function createCaller(tools: Tools): Caller {
  return {
    async call<T>(call: Call): Promise<T> {
      const deadline = createDeadline(call.deadlineMs ?? deadlineMs, call.signal);
      try {
        return JSON.parse(await tryUntilDone(tools, call, deadline)) as T;
      } catch (error) {
        throw lossOf(error, deedOf(call), deadline.why());
      } finally {
        deadline.end();
      }
    },
  };
}

const deedOf = ({ doing, method }: Call) => ({ doing, write: method !== "GET" });

async function tryUntilDone(tools: Tools, call: Call, deadline: Deadline): Promise<string> {
  for (let tries = 1; ; tries++) {
    const failure = await attempt(tools, call, deadline).catch((error: unknown) => {
      if (deadline.signal.aborted) throw error;
      return lossOf(error, deedOf(call), "lost");
    });
    if (typeof failure === "string") return failure;
    const waitMs = repeatAfterMs(tools, call, failure, tries);
    if (waitMs === undefined || waitMs >= deadline.leftMs()) throw failure;
    await pause(waitMs, deadline.signal);
    deadline.signal.throwIfAborted();
  }
}

/** How long to wait before the next try; undefined when there must be none. */
function repeatAfterMs({ links, turns }: Tools, call: Call, failure: KubeError, tries: number): number | undefined {
  const { status, reason, retryAfterMs, outcome } = failure;
  if (status === 401) links.forget();
  if (retryAfterMs !== undefined) turns.hold(call.lane ?? laneOf(call), retryAfterMs);
  if (tries >= mostTries || reason === "NotLeader" || outcome === "unknown") return undefined;
  if (status === 401) return tries === 1 ? 0 : undefined;
  if (status === 429) return retryAfterMs;
  if (status === 0 || (status >= 500 && call.method === "GET")) return Math.max(retryAfterMs ?? 0, jitterMs(tries, 100, 1_000));
  return undefined;
}

/** The text of a good answer, or why there was none. */
async function attempt(tools: Tools, call: Call, deadline: Deadline): Promise<string | KubeError> {
  const { links, turns, clock, onCall } = tools;
  const lane = call.lane ?? laneOf(call);
  const giveBack = await turns.take(lane, deadline.signal);
  const sentAt = clock();
  let answer: Answer | undefined;
  try {
    answer = await links.send(lane === "lease" ? "lease" : "calls", outgoingOf(call, deadline), deadline.signal);
    return answer.status < 300 ? answer.text : failureOf(answer, deedOf(call));
  } finally {
    giveBack();
    const { method, verb, kind } = call;
    onCall({ verb, kind, method, lane, status: answer?.status ?? 0, ms: clock() - sentAt });
  }
}

const laneOf = ({ method }: Call): Lane => (method === "GET" ? "read" : "lower");

function outgoingOf(call: Call, deadline: Deadline): Omit<Outgoing, "origin"> {
  const { method, path, body, contentType = "application/json", fence, doing } = call;
  return {
    method,
    path,
    headers: body === undefined ? {} : { "content-type": contentType },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    headersTimeoutMs,
    bodyTimeoutMs,
    onSend() {
      const leftMs = fence?.();
      if (leftMs === undefined) return;
      if (leftMs >= leastFenceMs) return deadline.shorten(leftMs);
      const message = `${doing}: not sent, for this process does not hold the Lease any more`;
      throw new KubeError({ status: 0, reason: "NotLeader", message, outcome: "refused" });
    },
  };
}

type Deadline = Readonly<{
  signal: AbortSignal;
  leftMs(): number;
  /** Ends it sooner. */
  shorten(ms: number): void;
  why(): "timedOut" | "aborted" | "lost";
  end(): void;
}>;

/** A plain timer, cleared at the end: AbortSignal.any and .timeout leak with parents that live long. */
function createDeadline(ms: number, parent: AbortSignal | undefined): Deadline {
  const controller = new AbortController();
  let endsAt = performance.now() + ms;
  const expire = () => controller.abort(new DeadlinePassed("it took longer than it may"));
  let timer = setTimeout(expire, ms);
  const abort = () => controller.abort(new Error("ended by the caller"));
  if (parent?.aborted) abort();
  parent?.addEventListener("abort", abort, { once: true });
  return {
    signal: controller.signal,
    leftMs: () => endsAt - performance.now(),
    shorten(least) {
      const sooner = performance.now() + least;
      if (sooner >= endsAt) return;
      clearTimeout(timer);
      endsAt = sooner;
      timer = setTimeout(expire, least);
    },
    why: () => (parent?.aborted ? "aborted" : controller.signal.aborted ? "timedOut" : "lost"),
    end() {
      clearTimeout(timer);
      parent?.removeEventListener("abort", abort);
    },
  };
}
