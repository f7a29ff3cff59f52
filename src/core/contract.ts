import type { z } from "zod";

/** One worker as its framework sees it. */
export type Worker = Readonly<{
  /** The name that the framework knows it by; a target's members carry the same one. */
  id: string;
  host?: string;
  /** Jobs that it can work on at once. */
  slots?: number;
  /** Jobs that it is working on now. */
  busy: number;
  /** Jobs fetched ahead and not begun: they leave only with this worker. */
  reserved?: number;
  /** It takes no new jobs, as the framework itself has confirmed. */
  quiet?: boolean;
  /** When the framework last told of it: monotonic ms, as {@link Observation.sentAt}. */
  seenAt: number;
}>;

/** What one trigger looked like at one instant. Counts are jobs. A field left out is not known: never zero. */
export type Reading = Readonly<{
  /** Ready to be taken, and taken by nobody. */
  waiting?: number;
  /** Delayed, and ready within the look-ahead: in most frameworks only a worker promotes them. */
  dueSoon?: number;
  /** Begun and not finished: the brake on scale-down. */
  running?: number;
  /** Why {@link running} is not known, for people, where that can be mended: "the management API refuses the login". */
  runningUnknown?: string;
  /** Fetched ahead by a worker and not begun: more replicas do not help these. */
  reserved?: number;
  /** Age of the oldest waiting job since it became ready, ms; absent when nothing waits or no age is kept. */
  oldestMs?: number;
  /** {@link oldestMs} is the least that the age can be: the broker keeps none, and so long the job was seen. */
  oldestIsLeast?: boolean;
  /** The most that may run at once however many workers there are: paused = 0, a global concurrency, a rate limit. */
  ceiling?: number;
  /** Why {@link ceiling} is what it is, for people: "paused", "global concurrency 4", "rate limit". */
  ceilingReason?: string;
  /** Ever-growing counters, where the broker keeps them: rates follow from their differences. */
  enqueued?: number;
  finished?: number;
  /** Every worker that the framework knows of; absent where it cannot tell. */
  workers?: readonly Worker[];
  /** Whoever is not among {@link workers} has nothing in hand: databases know who holds each job, and not who is idle. */
  othersIdle?: boolean;
  /** Replicas asked for outright, whatever the goal: see {@link Scaler.wants}. */
  wants?: number;
  /** Replicas that there may be at most, whatever anything asks for: a maximum that holds for now. */
  atMost?: number;
  /** What {@link wants} was taken from, for people: "12 pods, 4 for each". */
  wantsReason?: string;
  /** Of a schedule: until when that holds, and what comes then, for people: "18:00 Europe/Berlin, then none". */
  until?: string;
  /** What is amiss with the queue's own settings though it can be read, and the way out: one sentence each. */
  advice?: readonly string[];
  /** How long a job is its worker's, ms, before the broker gives it to another one: where each job has such a time. */
  leaseMs?: number;
  /** Identity of the data at that instant (server run, replication history). A zero needs two readings of one epoch. */
  epoch?: string;
  /** When the source took the numbers, monotonic ms: statistics can be older than the answer that carries them. */
  sampledAt: number;
}>;

/** Why something is not known. Closed list: it is a metric label. */
export type ProblemKind =
  | "unreachable" // refused, reset, no route, name not found
  | "timeout" // no answer within the deadline
  | "auth" // credential wrong or without the right
  | "connection" // there is no such QueueConnection, or it may not be used from here
  | "secret" // what holds the credential is missing: a Secret, its key, a file, a variable
  | "tls" // certificate or handshake
  | "loading" // the server is up and not yet ready to answer
  | "limit" // the server turns connections away
  | "replica" // not the primary: its numbers may be old
  | "missing" // the queue, key, group or table does not exist
  | "invalid" // an answer that makes no sense: wrong type, negative, not a number
  | "internal"; // a fault of our own

/** An error as data. The message is one clause for people, without secrets and without the address of a credential. */
export type Problem = Readonly<{ kind: ProblemKind; message: string }>;

/** A reading as a scaler gives it. Without {@link Reading.sampledAt}: taken when the question was sent. */
export type Sample = Omit<Reading, "sampledAt"> & Partial<Pick<Reading, "sampledAt">>;

/** The outcome of one query of a batch. */
export type Result = Readonly<{ reading: Sample } | { problem: Problem }>;

/** What is known of one trigger: its newest good reading, and the failure that came after it, if one did. */
export type Observation = Readonly<{
  /** The last good reading, however old. */
  reading?: Reading;
  /** When the question that brought {@link reading} was sent, monotonic ms: every age counts from here. */
  sentAt?: number;
  /** Present while the newest attempt failed: since when, and how many in a row. */
  failure?: Readonly<{ problem: Problem; since: number; count: number }>;
}>;

/** A live connection to one address with one credential. */
export interface Session<Client> extends AsyncDisposable {
  readonly client: Client;
  /** What may go wrong with this service though it answers, and the way out: one sentence. Found out when it was dialled. */
  readonly warning?: string | undefined;
  /** Settles once, when the connection is of no more use. Never rejects. */
  readonly lost: Promise<Problem>;
  /** Drops the connection at once, waiting for nothing: what is asked on it fails. */
  destroy(): void;
}

/** One protocol: how to open a session, and which settings a QueueConnection of it takes. */
export interface Broker<Client, Settings = never> {
  /** The key under `spec` of a QueueConnection. */
  readonly type: string;
  readonly summary: string;
  /** Settings of a QueueConnection; secrets come as references, which are resolved before {@link open}. */
  readonly settings: z.ZodObject;
  /** How long an answer may take, ms, where that is more than usual. */
  readonly answerMs?: number;
  /** Where it leads, for people: host, port, database; never a credential. */
  address(settings: Settings): string;
  /** Dials, authenticates and gets a first answer, all before `signal` fires. Throws {@link BrokerError}. */
  open(settings: Settings, signal: AbortSignal): Promise<Session<Client>>;
  /**
   * Of a broker that needs no QueueConnection (the clock, the cluster itself): the settings for ScaledWorkers of this
   * namespace. Triggers that read from it name no connection.
   */
  inherent?(namespace: string): Settings;
}

/** A failure of the connection or of one query, with its class. */
export class BrokerError extends Error {
  readonly problem: Problem;
  constructor(problem: Problem, options?: ErrorOptions) {
    super(problem.message, options);
    this.name = "BrokerError";
    this.problem = problem;
  }
}

/** What one scaler can tell of any of its queries without asking the broker: used by `check` and by the docs. */
export type Sight = Readonly<{
  /** Sees jobs in hand. Without it nothing proves a worker idle. */
  running: boolean;
  /** Names the worker that holds each job. */
  workers: boolean;
  /** What would show jobs in hand, where they are not seen: the end of "must have …". */
  shownBy?: string;
}>;

/** The code that measures one kind of trigger; it measures and does nothing else. */
export interface Scaler<Query, Client> {
  /** The key under `spec.triggers[]`, and the label in metrics. */
  readonly type: string;
  /** One line for the generated docs. */
  readonly summary: string;
  /** The key of the broker that it reads from ({@link Broker.type}), or those of several: the connection decides. */
  readonly broker: string | readonly string[];
  /** The trigger's own fields, declared once: types, parsing, defaults, CRD and docs follow. */
  readonly query: z.ZodObject;
  /** How often the source itself has news: the default interval, ms. */
  readonly everyMs: number;
  /** Its readings ask for replicas outright ({@link Reading.wants}) and tell of no jobs: its triggers have no goal. */
  readonly wants?: true;
  /** What this query lets us see. */
  sight(query: Query): Sight;
  /** Whether the jobs of another trigger of the same pool are among those that this one counts: people are told of them once. */
  covers?(query: Query, type: string, other: unknown): boolean;
  /**
   * One batch for all queries of this connection; results in the same order, a failure of one query is data.
   * Throws {@link BrokerError} (or anything) when the connection failed as a whole.
   *
   * `queries` is the same array from round to round, while the triggers are the same. A reading that is the very object
   * of the read before says that nothing but the time has changed: then nobody has to look at it.
   */
  read(client: Client, queries: readonly Query[], signal: AbortSignal): Promise<readonly Result[]>;
  /**
   * Calls `hint` whenever this query may have changed, until what it returns is disposed of; a snapshot follows each hint.
   * Undefined: nobody tells of this one.
   */
  wake?(client: Client, query: Query, hint: () => void): Disposable | undefined;
  /** Listening costs: {@link wake} is called only while the pool is at zero, and only by the one process that acts. */
  readonly wakesFromZero?: true;
  /** Tells one worker to take no more jobs (or again to take them). Resolves once the worker has confirmed it. */
  quiet?(client: Client, query: Query, worker: string, on: boolean, signal: AbortSignal): Promise<void>;
}

/** A scaler of any query and client: what the registry holds. */
// biome-ignore lint/suspicious/noExplicitAny: a registry of many types; each entry is checked where it is declared.
export type AnyScaler = Scaler<any, any>;
// biome-ignore lint/suspicious/noExplicitAny: as above.
export type AnyBroker = Broker<any, any>;
