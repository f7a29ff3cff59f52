export type Metadata = Readonly<Record<string, string>>;

/** KEDA's contract: src/brokers/protos/externalscaler.proto. */
export type ScaledObjectRef = Readonly<{ name: string; namespace: string; scalerMetadata: Metadata }>;
export type MetricValue = Readonly<{ metricName: string; metricValue: number; metricValueFloat: number }>;

/** Worktide's contract: src/brokers/protos/readings.proto. What is absent is not known. */
export type ExternalQuery = Readonly<{ metadata: Metadata }>;
export type ExternalWorker = Readonly<{
  id: string;
  host: string;
  busy: number;
  slots?: number;
  reserved?: number;
  quiet: boolean;
}>;
export type ExternalReading = Readonly<{
  waiting?: number;
  due_soon?: number;
  running?: number;
  reserved?: number;
  oldest_seconds?: number;
  ceiling?: number;
  ceiling_reason: string;
  enqueued?: number;
  finished?: number;
  workers?: Readonly<{ workers: readonly ExternalWorker[] }> | null;
  age_seconds: number;
  epoch: string;
}>;
export type ExternalResult = Readonly<{
  reading?: ExternalReading | null;
  problem?: Readonly<{ message: string; missing: boolean }> | null;
}>;

/** Every question, and what answers it. */
export type Calls = {
  IsActive: [ScaledObjectRef, Readonly<{ result: boolean }>];
  GetMetricSpec: [ScaledObjectRef, Readonly<{ metricSpecs: readonly Readonly<{ metricName: string }>[] }>];
  GetMetrics: [
    Readonly<{ scaledObjectRef: ScaledObjectRef; metricName: string }>,
    Readonly<{ metricValues: readonly MetricValue[] }>,
  ];
  Read: [Readonly<{ queries: readonly ExternalQuery[] }>, Readonly<{ results: readonly ExternalResult[] }>];
};

/** What tells of changes by itself, and what it is asked with. */
export type Streams = { StreamIsActive: ScaledObjectRef; Watch: ExternalQuery };

/** What scalers ask of a scaler in another process. */
export interface ExternalReader {
  /** Metadata of the connection, for every question. */
  readonly metadata: Metadata;
  /** Changes with every connection: whether the same process answers as before nobody knows. */
  epoch(): string;
  /** One question. Throws BrokerError, in time. */
  call<Name extends keyof Calls>(name: Name, request: Calls[Name][0]): Promise<Calls[Name][1]>;
  /** Calls `hint` with whatever it says, and again after breaks, until disposed of. Undefined: too many are listened to already. */
  listen<Name extends keyof Streams>(name: Name, request: Streams[Name], hint: () => void): Disposable | undefined;
}
