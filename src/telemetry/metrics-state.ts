import { createHash } from "node:crypto";
import type { Decision } from "../core/decision.ts";

/** One trigger as metrics show it. A count that is left out is not known and has no series. */
export type MetricsTrigger = Readonly<{
  name: string;
  /** The scaler's type. */
  type: string;
  connection: string;
  waiting?: number;
  dueSoon?: number;
  running?: number;
  reserved?: number;
  /** Since when the oldest job waits, ISO time. */
  oldestAt?: string;
  /** When the question that brought the last good reading was sent, ISO time. */
  readAt?: string;
  /** When its source took the numbers, ISO time. */
  sampledAt?: string;
  /** How long a job should wait at most, where the goal says so. */
  waitTargetMs?: number;
  wants?: number;
}>;

/** One ScaledWorker as metrics show it: the snapshot of the API fits as it is. */
export type MetricsWorker = Readonly<{
  namespace: string;
  name: string;
  target: string;
  mode: "Scale" | "Observe";
  min: number;
  max: number;
  pool?: Readonly<{ wanted: number; existing: number; ready: number; leaving: number }>;
  busy?: number;
  decision?: Pick<Decision, "to" | "rule" | "reason">;
  triggers: readonly MetricsTrigger[];
  conditions: readonly Readonly<{ type: string; status: "True" | "False" | "Unknown" }>[];
  lastChange?: Readonly<{ at: string }>;
}>;

export type MetricsConnection = Readonly<{ name: string; type: string; up: boolean; triggers: number }>;

/** What is true at the moment of a scrape. */
export type MetricsState = Readonly<{
  workers: readonly MetricsWorker[];
  connections: readonly MetricsConnection[];
  /** Whether this replica of the controller leads; absent where there is no election. */
  leading?: boolean;
}>;

export type Caps = Readonly<{ workers: number; triggers: number; connections: number }>;

/** Labels that many series share: one object per worker or trigger and scrape, so that it is written as text only once. */
export type Labels = Readonly<Record<string, string>>;

/** Something to be shown, and the labels it goes by; `own` is false for the tail, which shares its labels. */
export type Shown<T> = Readonly<{ it: T; labels: Labels; own: boolean }>;

/** The state with its labels, made once per scrape. */
export type Prepared = Readonly<{
  workers: readonly Shown<MetricsWorker>[];
  triggers: readonly Shown<MetricsTrigger>[];
  connections: readonly Shown<MetricsConnection>[];
  leading?: boolean;
}>;

/** Everything past the cap goes into so many series, by a hash of its name: a tail stays visible and bounded. */
const buckets = 16;
const longestLabel = 128;

export function prepare({ workers, connections, leading }: MetricsState, caps: Caps): Prepared {
  const triggers = workers.flatMap((worker) => worker.triggers.map((trigger) => ({ worker, trigger })));
  return {
    ...(leading === undefined ? {} : { leading }),
    workers: shown(workers, caps.workers, {
      name: ({ namespace, name }) => `${namespace}/${name}`,
      own: ({ namespace, name }) => ({ namespace: label(namespace), scaledworker: label(name) }),
      shared: (bucket) => ({ namespace: "", scaledworker: bucket }),
    }),
    triggers: shown(triggers, caps.triggers, {
      name: ({ worker, trigger }) => `${worker.namespace}/${worker.name}/${trigger.name}`,
      own: ({ worker, trigger }) => ({
        namespace: label(worker.namespace),
        scaledworker: label(worker.name),
        trigger: label(trigger.name),
        connection: label(trigger.connection),
      }),
      shared: (bucket) => ({ namespace: "", scaledworker: "", trigger: bucket, connection: "" }),
    }).map(({ it, ...rest }) => ({ ...rest, it: it.trigger })),
    connections: shown(connections, caps.connections, {
      name: ({ name }) => name,
      own: ({ name, type }) => ({ connection: label(name), broker: type }),
      shared: (bucket) => ({ connection: bucket, broker: "" }),
    }),
  };
}

type Naming<T> = Readonly<{ name: (it: T) => string; own: (it: T) => Labels; shared: (bucket: string) => Labels }>;

function shown<T>(all: readonly T[], cap: number, naming: Naming<T>): Shown<T>[] {
  const shared = new Map<string, Labels>();
  return all.map((it, index) => {
    if (index < cap) return { it, labels: naming.own(it), own: true };
    const bucket = tail(naming.name(it));
    const labels = shared.get(bucket) ?? naming.shared(bucket);
    shared.set(bucket, labels);
    return { it, labels, own: false };
  });
}

/** A name of any length as a label: cut, with a hash of the whole at its end. */
export function label(name: string): string {
  const text = name.toWellFormed();
  if (text.length <= longestLabel) return text;
  const digest = createHash("sha256").update(text).digest("hex");
  return `${text.slice(0, longestLabel - 9)}~${digest.slice(0, 8)}`;
}

/** `~other-0` to `~other-f`, by the FNV-1a hash of the name. */
export function tail(name: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return `~other-${((hash >>> 0) % buckets).toString(16)}`;
}
