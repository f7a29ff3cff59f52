import type { Rules } from "../../../src/core/spec.ts";
import type { HistoryLine } from "../../../src/telemetry/history.ts";

/** A line that Worktide wrote itself. `run` tells its lives apart: ids are unique within one life only. */
export type OwnLine = HistoryLine & Readonly<{ run: number }>;

/** What fixture workers write down. `worker` is the member id, `t` ms (ns in the file). */
export type JobLine = Readonly<{
  kind: "job.start" | "job.end" | "job.killed";
  t: number;
  job: string;
  worker: string;
  pid: number;
}>;

/** What the nemesis did. Without a scope it touches everything. */
export type FaultLine = Readonly<{
  kind: "fault.begin" | "fault.end";
  t: number;
  fault: string;
  /** The connection that it touches. */
  connection?: string;
  /** The ScaledWorker whose processes it touches. */
  worker?: string;
  /** The one member that it touches. */
  member?: string;
  /** It touches the worktide process itself: `stop` (no code of it runs) or `stall` (its event loop stands). */
  process?: "stop" | "stall" | "kill" | "term";
  /** The connection can be read in spite of it. */
  readable?: boolean;
  /** No connection can be made: the rules of retrying apply. */
  outage?: boolean;
  /** Nobody declares the ScaledWorkers meanwhile: nothing of them is read. */
  undeclared?: boolean;
}>;

/** What independent observers of the test saw: processes from /proc, queues from Redis, dials from the proxy, `/api`. */
export type SeenLine = Readonly<
  | {
      kind: "obs";
      t: number;
      worker: string;
      alive: readonly string[];
      leaving: readonly string[];
    }
  | {
      kind: "truth";
      t: number;
      worker: string;
      trigger: string;
      waiting: number;
      running: number;
    }
  | { kind: "dial"; t: number; connection: string }
  | { kind: "clients"; t: number; connection: string; count: number }
  | {
      kind: "proc";
      t: number;
      run: number;
      event: "ready" | "exit";
      expected: boolean;
      detail: string;
    }
  | { kind: "output"; t: number; source: string; text: string }
  | {
      kind: "status";
      t: number;
      /** When it was asked for: what came in after that may not be in it. Default `t`. */
      askedAt?: number;
      worker: string;
      trigger: string;
      known: boolean;
    }
>;

/** What the API server recorded of one request about an object of the pools, or of the Lease: who, on what, and with which answer. */
export type ApiLine = Readonly<{
  kind: "api";
  /** When the answer had gone. */
  t: number;
  /** When the request was there. */
  receivedAt: number;
  by: string;
  verb: string;
  what: "scale" | "lease" | "status" | "pod" | "job";
  /** Of the object; a target has the name of its ScaledWorker. */
  name: string;
  code: number;
  /** The version that it was decided on, and the one that it made. */
  before?: string;
  version?: string;
  /** The size that it was decided on, where that and not the version is its condition. */
  atSize?: number;
  /** Of a size that was written. */
  replicas?: number;
  /** Of a Lease: who holds it ("": nobody), and which term it is. */
  holder?: string;
  term?: number;
  /** Of a status: all but its times. */
  meaning?: string;
}>;

export type Line = OwnLine | JobLine | FaultLine | SeenLine | ApiLine;
/** The lines of one kind; unlike Extract it also finds those whose type lists several kinds. */
export type LineOf<Kind extends Line["kind"]> = Line extends infer One
  ? One extends Line
    ? Kind extends One["kind"]
      ? One & Readonly<{ kind: Kind }>
      : never
    : never
  : never;

/** All in ms. */
export type Constants = Readonly<{
  /** Deadline of a reading (D). */
  readMs: number;
  /** Deadline of a write (W). */
  writeMs: number;
  backoffCapMs: number;
  /** The most that a reading may be old to lower (upper bound of Adn). */
  lowerAgeMs: number;
  /** The least time between two zeros that prove one. */
  zeroApartMs: number;
  /** How long a fall together with a new epoch must not lower. */
  epochHoldMs: number;
  /** How long a pool may differ from what was last written: spawning and the stop grace. */
  transitionMs: number;
  /** How long workers may outlive a killed worktide that does not come back. */
  orphanMs: number;
  /** How long it may take until the next worktide is there, where there is one. */
  downMs: number;
  /** Share of the planned reads that the triggers of healthy connections get during a fault of another. */
  isolation: number;
  /** How often the observers of the test look: what they miss is the machine's doing, and is no fault of ours. */
  lookMs: number;
  /** For the differences between two recorders' moments. */
  slackMs: number;
  /** Connections of ours to one address, at most. */
  clients: number;
  /** Are jobs that began twice a failure, or only counted? */
  duplicates: "count" | "fail";
}>;

export const defaults: Constants = {
  readMs: 2000,
  writeMs: 5000,
  backoffCapMs: 5000,
  lowerAgeMs: 15_000,
  zeroApartMs: 5000,
  epochHoldMs: 60_000,
  transitionMs: 3000,
  orphanMs: 5000,
  downMs: 5000,
  isolation: 0.95,
  lookMs: 200,
  slackMs: 150,
  clients: 3,
  duplicates: "count",
};

/** What the rules of one ScaledWorker are, as the test wrote them. */
export type Expected = Readonly<{
  /** In the order in which they came into force; the last holds for all that follow. */
  rules: readonly Rules[];
  /** How many of them were over when a run began: generations count from 1 in each run. Default 0. */
  before?: Readonly<Record<number, number>>;
  /** Which connection each trigger is read from. */
  connections: Readonly<Record<string, string>>;
}>;

export type Plan = Readonly<{
  workers: Readonly<Record<string, Expected>>;
  constants?: Partial<Constants>;
  /** Secrets of this run: they must turn up nowhere. */
  canaries?: readonly string[];
  /** In a cluster: pods outlive a controller, and one of several leads. */
  cluster?: Readonly<{
    leaseMs: number;
    /** The account that each run speaks to the API server as. */
    users: Readonly<Record<number, string>>;
  }>;
}>;

export type Violation = Readonly<{
  invariant: string;
  t: number;
  message: string;
  lines: readonly Line[];
}>;

const jobKinds = new Set(["job.start", "job.end", "job.killed"]);

/**
 * Parses JSON lines of one recorder: worktide's own history, or a journal of workers. Names lose the namespace that all
 * have who name none (`default`, or the one that is given). A last line that was cut off by a kill is left out; any other bad
 * line throws.
 */
export function parseLines(text: string, run = 0, namespace = "default"): Line[] {
  const rows = text.split("\n").filter((row) => row !== "");
  return rows.flatMap((row, index) => {
    try {
      const line = JSON.parse(row) as Line;
      if (jobKinds.has(line.kind)) return [{ ...line, t: Number(line.t) / 1e6 } as Line];
      const own = line as HistoryLine;
      const local = (name: string) => (name.startsWith(`${namespace}/`) ? name.slice(namespace.length + 1) : name);
      if (own.kind === "read") return [{ ...own, worker: local(own.worker), connection: local(own.connection), run }];
      return [{ ...own, worker: local(own.worker), run }];
    } catch (error) {
      if (index === rows.length - 1 && !text.endsWith("\n")) return [];
      throw new Error(`reading line ${index + 1} of a history`, {
        cause: error,
      });
    }
  });
}
