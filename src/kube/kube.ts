/** A kind as the API server serves it: `apiVersion` is `v1` or `group/version`, `plural` the word in its paths. */
export type Kind = Readonly<{ apiVersion: string; kind: string; plural: string; namespaced: boolean }>;

export type OwnerReference = Readonly<{
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}>;

/** Who last wrote which fields: `manager` is the name, `subresource` how. */
export type ManagedFields = Readonly<{
  manager?: string;
  operation?: string;
  subresource?: string;
  time?: string;
  fieldsV1?: unknown;
}>;

/** Metadata as the API server answers it. Times are RFC 3339. */
export type ObjectMeta = Readonly<{
  name: string;
  namespace?: string;
  uid: string;
  /** Opaque but ordered within one cluster: later is greater. Compare with {@link isOlder}. */
  resourceVersion: string;
  generation?: number;
  labels?: Readonly<Record<string, string>>;
  annotations?: Readonly<Record<string, string>>;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  ownerReferences?: readonly OwnerReference[];
  finalizers?: readonly string[];
  managedFields?: readonly ManagedFields[];
}>;

/** One of an object's conditions. */
export type ObjectCondition = Readonly<
  { type: string; status: string } & Partial<Record<"reason" | "message" | "lastTransitionTime", string>>
>;

export type KubeObject = Readonly<{ apiVersion?: string; kind?: string; metadata: ObjectMeta }>;

/** What is written: an object whose metadata may lack what the server fills in. */
export type Draft = Readonly<{
  metadata: Partial<ObjectMeta> & Readonly<{ generateName?: string }>;
  [field: string]: unknown;
}>;

/** Names one object; `namespace` belongs to namespaced kinds only. */
export type ObjectRef = Readonly<{ kind: Kind; namespace?: string; name: string }>;

/** `autoscaling/v1`. `spec.replicas` is left out by the server when it is 0. */
export type Scale = KubeObject &
  Readonly<{ spec: Readonly<{ replicas?: number }>; status: Readonly<{ replicas: number; selector?: string }> }>;

/** Whose turn it is when requests must wait for each other: first named, first served. */
export const lanes = ["lease", "raise", "lower", "read", "status", "events"] as const;
export type Lane = (typeof lanes)[number];

/**
 * How long a write may still be on its way, ms; 0: not at all. Asked at the very moment of sending, so that a process
 * that was stopped in between cannot write on a lease that has passed.
 */
export type Fence = () => number;

export type CallOptions = Readonly<{
  /** Default: `read` for reads, `lower` for writes. */
  lane?: Lane;
  signal?: AbortSignal;
  /** For the whole call, ms. Default 8,000. */
  deadlineMs?: number;
}>;

export type WriteOptions = CallOptions &
  Readonly<{
    fence?: Fence;
    subresource?: "status" | "scale";
    /** Validates and answers, and stores nothing. */
    dryRun?: boolean;
    /** Who owns the written fields. Default `worktide`. */
    fieldManager?: string;
  }>;

export type JsonPatchStep = Readonly<{ op: "add" | "replace" | "remove" | "test"; path: string; value?: unknown }>;

export type Patch =
  | Readonly<{ type: "merge"; body: object }>
  | Readonly<{ type: "json"; body: readonly JsonPatchStep[] }>
  /** Server-side apply: `body` holds `apiVersion`, `kind`, and exactly the fields that are ours. */
  | Readonly<{ type: "apply"; body: object; force?: boolean }>;

export type Removal = WriteOptions &
  Readonly<{
    /** Removes this very object only: else 409 `Conflict`. */
    uid?: string;
    resourceVersion?: string;
    propagation?: "Background" | "Foreground" | "Orphan";
    graceSeconds?: number;
  }>;

export type Selection = Readonly<{
  kind: Kind;
  /** One namespace; without it all of them, which needs a ClusterRole. */
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
}>;

/** One page. `next` asks for the following one; absent at the end. */
export type Page<T> = Readonly<{ items: readonly T[]; resourceVersion: string; next?: string }>;

/** `BOOKMARK` objects carry a resource version and nothing else. */
export type WatchFrame<T> = Readonly<{ type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK"; object: T }>;

export type WatchFrom = Selection &
  Readonly<{
    resourceVersion: string;
    signal: AbortSignal;
    /** The server has taken it: everything since `resourceVersion` will come. */
    onOpen?: () => void;
  }>;

/** What discovery says of a kind. */
export type Discovered = Readonly<{ kind: Kind; scale: boolean; status: boolean }>;

/**
 * The verbs that Worktide uses. Each call ends within 8 s (waiting for its turn included), and rejects with
 * {@link KubeError} and nothing else. Reads are repeated by it, writes are not: after `outcome: "unknown"` the caller
 * reads before it writes again. Objects are trusted to have the shape of their kind.
 */
export interface Kube {
  /** Namespace of the credentials: that of the pod, or of the kubeconfig's context. */
  readonly namespace: string;
  get<T extends KubeObject>(ref: ObjectRef, options?: CallOptions & Readonly<{ subresource?: "status" }>): Promise<T>;
  /** From the store itself, never from a cache that may be old (no `resourceVersion=0`). */
  list<T extends KubeObject>(
    selection: Selection,
    options?: CallOptions & Readonly<{ limit?: number; next?: string }>,
  ): Promise<Page<T>>;
  create<T extends KubeObject>(kind: Kind, object: Draft, options?: WriteOptions): Promise<T>;
  /** Replaces it; `metadata.resourceVersion` of `object` must still hold: else 409 `Conflict`. */
  update<T extends KubeObject>(ref: ObjectRef, object: Draft, options?: WriteOptions): Promise<T>;
  patch<T extends KubeObject>(ref: ObjectRef, patch: Patch, options?: WriteOptions): Promise<T>;
  remove(ref: ObjectRef, options?: Removal): Promise<void>;
  getScale(ref: ObjectRef, options?: CallOptions): Promise<Scale>;
  /** Only while nobody changed the object since `resourceVersion`: else 409 `Conflict`. */
  putScale(
    ref: ObjectRef,
    scale: Readonly<{ replicas: number; resourceVersion: string }>,
    options?: WriteOptions,
  ): Promise<Scale>;
  /**
   * Calls `onFrame` for each frame until the server ends the stream, which resolves. Rejects with KubeError: 410 when
   * `resourceVersion` is too old, or status 0 when the connection was lost or silent for 90 s. What `onFrame` throws ends it too.
   */
  watch<T extends KubeObject>(from: WatchFrom, onFrame: (frame: WatchFrame<T>) => void): Promise<void>;
  /** Undefined when the server has no such kind. Kept for a while. */
  discover(apiVersion: string, kind: string, options?: CallOptions): Promise<Discovered | undefined>;
}

/** Why a call failed. */
export type KubeFailure = Readonly<{
  /** HTTP status; 0 where there was no answer. */
  status: number;
  /**
   * The server's word: `NotFound`, `Conflict`, `AlreadyExists`, `Forbidden`, `NamespaceTerminating` …; ours without one:
   * `Timeout`, `ConnectionLost`, `NotLeader`, `Aborted`, `BadRequest`, `StaleRead`, `Absent`.
   */
  reason: string;
  message: string;
  /** How long the server wants to be left alone. */
  retryAfterMs?: number;
  /** `unknown`: a write that may have been done. `refused`: nothing was changed. */
  outcome: "refused" | "unknown";
}>;

export class KubeError extends Error {
  override readonly name = "KubeError";
  readonly status: number;
  readonly reason: string;
  readonly retryAfterMs: number | undefined;
  readonly outcome: KubeFailure["outcome"];

  constructor(failure: KubeFailure, options?: ErrorOptions) {
    super(failure.message, options);
    this.status = failure.status;
    this.reason = failure.reason;
    this.retryAfterMs = failure.retryAfterMs;
    this.outcome = failure.outcome;
  }
}

/** Whether this is a {@link KubeError} with one of these reasons. */
export const isKubeError = (error: unknown, ...reasons: readonly string[]): error is KubeError =>
  error instanceof KubeError && (reasons.length === 0 || reasons.includes(error.reason));

/** `namespace/name`, or `name` of what has no namespace: the key in a watch list. */
export const keyOf = ({ namespace, name }: Readonly<{ namespace?: string; name: string }>): string =>
  namespace === undefined ? name : `${namespace}/${name}`;

/** Whether resource version `a` is older than `b`. They are decimal numbers of any length (KEP-5504). */
export const isOlder = (a: string, b: string): boolean => (a.length === b.length ? a < b : a.length < b.length);

/** The labels of an object that the controller itself makes: the part of Worktide that it belongs to. */
export const labelsOf = (component: string): Readonly<Record<string, string>> => ({
  "app.kubernetes.io/name": "worktide",
  "app.kubernetes.io/component": component,
  "app.kubernetes.io/part-of": "worktide",
  "app.kubernetes.io/managed-by": "worktide",
});
