import type { AnyBroker, AnyScaler, Observation, Problem } from "../core/contract.ts";

/** Where to connect: the type of broker, its settings as declared, and how to get the settings with their secrets. */
export type ConnectionSource = Readonly<{
  /** For people and metrics: "default/main", or the address of an inline connection. */
  name: string;
  /** The key of the broker: "redis". */
  type: string;
  /** Settings with every secret resolved, read again at each dial, so that a rotated secret is used. Throws BrokerError. */
  settings(signal: AbortSignal): Promise<unknown>;
  /** Sources with equal keys share one connection: a digest of type, address and credential references. */
  key: string;
}>;

/** One trigger to be read. */
export type Watch = Readonly<{
  scaler: AnyScaler;
  /** Parsed by the scaler's own schema. */
  query: unknown;
  connection: ConnectionSource;
  intervalMs: number;
}>;

/** When one read was asked and answered, monotonic ms. */
export type LastRead = Readonly<{
  /** Unique within the process. */
  readId: number;
  sentAt: number;
  receivedAt: number;
  /** The read was asked for by a wake-up; the time of the first hint, for latency figures. */
  wokenAt?: number;
}>;

/** One outcome, as it is told to the listener of a watch. */
export type Observed = LastRead &
  Readonly<{
    observation: Observation;
    /** Something that decisions use is different from before: the size, the workers, known or not. */
    changed: boolean;
  }>;

/** A trigger under watch. */
export interface Watching {
  observation(): Observation;
  /** The id of the read that brought the present observation; null before the first. */
  readId(): number | null;
  /** The last read, whatever its outcome; undefined before the first. */
  lastRead(): LastRead | undefined;
  /** Reads now; resolves with an observation whose question was sent after this call. Never rejects: failure is data. */
  refresh(): Promise<Observation>;
  /** Whether the pool is at zero, and this process would wake it: see Scaler.wakesFromZero. */
  rest(resting: boolean): void;
  /** See Scaler.quiet; undefined where the scaler has none. Rejects with BrokerError. */
  readonly quiet: ((worker: string, on: boolean) => Promise<void>) | undefined;
  stop(): void;
}

/** How one connection is doing, for metrics, `/api` and `status`. */
export type ConnectionState = Readonly<{
  name: string;
  type: string;
  up: boolean;
  problem?: Problem & { since: number };
  /** What may go wrong with it though it answers: the session says so. */
  warning?: string;
  triggers: number;
  /** Rounds and reads so far; duration of the last round, ms. */
  rounds: number;
  lastRoundMs?: number;
  lastRoundAt?: number;
}>;

export interface Observer extends AsyncDisposable {
  /**
   * Starts to read a trigger. The listener is called after the reads of it, in their order; not where the scaler gave the
   * very reading of the time before, unless {@link ObserverOptions.everyRead}.
   */
  watch(watch: Watch, listener: (observed: Observed) => void): Watching;
  connections(): readonly ConnectionState[];
  /** A secret may have changed: every connection looks at its settings now. */
  checkSettings(): void;
}

/** One call of a scaler, for metrics. */
export type RoundReport = Readonly<{
  connection: string;
  scaler: string;
  /** How many triggers it read. */
  triggers: number;
  /** From the question to the last listener told. */
  ms: number;
  /** `void`: it counts as neither, because this process stood still or the connection was exchanged meanwhile. */
  outcome: "ok" | "failed" | "void";
}>;

export type ObserverOptions = Readonly<{
  brokers: ReadonlyMap<string, AnyBroker>;
  /** Monotonic ms. */
  clock: () => number;
  random: () => number;
  /** A read that takes longer has failed, and its connection is given up. Default: what the broker says, else 2000. */
  deadlineMs?: number;
  /** For credentials, dial, handshake and first answer together. Default 4000. */
  dialDeadlineMs?: number;
  /** After a woken read of a trigger the next one waits so long. Default 50. */
  coalesceMs?: number;
  /** How often a changed credential is looked for while the connection is up. Default 20,000. */
  settingsCheckMs?: number;
  /** Whether reads that repeat the one before are told too. Default false. */
  everyRead?: boolean;
  /** Dials in a second over all connections. Default 20. */
  dialsPerSecond?: number;
  /** Once per change: up, down, down for another reason. */
  onConnection?: (state: ConnectionState) => void;
  onRound?: (report: RoundReport) => void;
  /** Something went wrong that no reading tells of. Once per change, not per try. */
  onFault?: (doing: string, cause: unknown) => void;
}>;
