/** What every metric is, declared once: the registry and the reference page follow. */
export type MetricEntry = Readonly<{
  name: string;
  type: "gauge" | "counter" | "histogram";
  help: string;
  labels: readonly string[];
  /** How values of the tail past the cap are put together. Default: their sum. */
  fold?: "min" | "max";
  buckets?: readonly number[];
}>;

const worker = ["namespace", "scaledworker"] as const;
const trigger = [...worker, "trigger", "connection"] as const;

const ofTrigger = (name: string, help: string, fold?: "min" | "max"): MetricEntry => ({
  name: `worktide_${name}`,
  type: "gauge",
  help,
  labels: trigger,
  ...(fold === undefined ? {} : { fold }),
});
const ofWorker = (name: string, help: string, extra: readonly string[] = []): MetricEntry => ({
  name: `worktide_scaledworker_${name}`,
  type: "gauge",
  help,
  labels: [...worker, ...extra],
});

/** From a quarter of a millisecond, a woken round on loopback, to a read that hits its deadline. */
const roundBuckets = [0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** From one millisecond to a scale-up that waited for a step limit. */
const wakeBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export const metricTable = {
  workerInfo: ofWorker("info", "The ScaledWorker, with its target and mode as labels; always 1.", ["target", "mode"]),
  minReplicas: ofWorker("spec_min_replicas", "Lower bound of the size, from the spec."),
  maxReplicas: ofWorker("spec_max_replicas", "Upper bound of the size, from the spec."),
  currentReplicas: ofWorker("current_replicas", "Replicas that exist and are not leaving."),
  wantedReplicas: ofWorker("wanted_replicas", "Replicas that the target was last asked for."),
  readyReplicas: ofWorker("ready_replicas", "Replicas that are ready."),
  leavingReplicas: ofWorker("leaving_replicas", "Replicas that were told to stop and still exist; they own their jobs."),
  desiredReplicas: ofWorker("desired_replicas", "Replicas of the last decision, applied or not."),
  busyWorkers: ofWorker("busy_workers", "Workers with a job in hand, as far as known."),
  condition: ofWorker("condition", "State set of the conditions: 1 for the status that holds, else 0.", ["condition", "status"]),
  paused: ofWorker("paused", "1 while the condition Paused is True: by the spec, or since it only observes."),
  lastScale: {
    ...ofWorker("last_scale_timestamp_seconds", "When the size was last changed, seconds since 1970."),
    fold: "max",
  },
  rule: ofWorker("rule_info", "The rule that bound the last decision, and its reason; always 1.", ["rule", "reason"]),
  triggerInfo: {
    ...ofTrigger("trigger_info", "The trigger, with the type of its scaler as a label; always 1."),
    labels: [...trigger, "scaler"],
  },
  waiting: ofTrigger("queue_waiting", "Jobs that are ready and taken by nobody."),
  dueSoon: ofTrigger("queue_due_soon", "Delayed jobs that are ready within the look-ahead."),
  running: ofTrigger("queue_running", "Jobs that have begun and not finished."),
  reserved: ofTrigger("queue_reserved", "Jobs fetched ahead by a worker and not begun."),
  oldest: ofTrigger(
    "queue_oldest_job_timestamp_seconds",
    "Since when the oldest waiting job waits (of Celery on Redis, at the latest), seconds since 1970; no series while nothing waits or no age is kept.",
    "min",
  ),
  waitTarget: ofTrigger(
    "queue_wait_target_seconds",
    "How long a job should wait at most, where the goal says so (startWithin, drainWithin).",
    "min",
  ),
  wanted: ofTrigger("queue_wanted_replicas", "Replicas that this trigger alone asks for."),
  readAt: ofTrigger("reading_timestamp_seconds", "When the last good reading was asked for, seconds since 1970.", "min"),
  sampledAt: ofTrigger(
    "reading_sampled_timestamp_seconds",
    "When the source took the numbers of the last good reading, seconds since 1970: statistics are older than the answer.",
    "min",
  ),
  connectionUp: {
    name: "worktide_connection_up",
    type: "gauge",
    help: "1 while the connection answers, else 0.",
    labels: ["connection", "broker"],
    fold: "min",
  },
  connectionTriggers: {
    name: "worktide_connection_triggers",
    type: "gauge",
    help: "Triggers that are read through the connection.",
    labels: ["connection", "broker"],
  },
  leader: {
    name: "worktide_leader",
    type: "gauge",
    help: "1 while this replica of the controller leads, else 0; no series where there is nothing to be elected for.",
    labels: [],
  },
  folded: {
    name: "worktide_metrics_folded",
    type: "gauge",
    help: "Objects past the cap on series: they share the series whose name begins with ~other.",
    labels: ["kind"],
  },
  readingErrors: {
    name: "worktide_reading_errors_total",
    type: "counter",
    help: "Readings that failed, by the kind of problem.",
    labels: ["connection", "scaler", "problem"],
  },
  roundDuration: {
    name: "worktide_round_duration_seconds",
    type: "histogram",
    help: "Duration of one round: all due triggers of a connection in one batch.",
    labels: ["connection"],
    buckets: roundBuckets,
  },
  decisions: {
    name: "worktide_decisions_total",
    type: "counter",
    help: "Decisions, by what they do to the size and by the reason of the rule that bound last.",
    labels: ["action", "reason"],
  },
  writes: {
    name: "worktide_writes_total",
    type: "counter",
    help: "Sizes written to targets, by their outcome.",
    labels: ["outcome"],
  },
  editsRefused: {
    name: "worktide_edits_refused_total",
    type: "counter",
    help: "Edits of the documents that had an error: what was in force before stayed so.",
    labels: [],
  },
  wakeToApply: {
    name: "worktide_wake_to_apply_seconds",
    type: "histogram",
    help: "From the first hint of a change in a queue to the new size being taken by the target.",
    labels: [],
    buckets: wakeBuckets,
  },
  apiRequests: {
    name: "worktide_apiserver_requests_total",
    type: "counter",
    help: "Requests to the API server of the cluster, by verb, kind (`Deployment/scale`) and HTTP status; `none` where no answer came.",
    labels: ["verb", "kind", "code"],
  },
  apiDuration: {
    name: "worktide_apiserver_request_duration_seconds",
    type: "histogram",
    help: "From a request to the API server to its answer, or to giving it up; of a watch, until it began.",
    labels: ["verb"],
    buckets: roundBuckets,
  },
  buildInfo: {
    name: "worktide_build_info",
    type: "gauge",
    help: "Version of Worktide and of Node as labels; always 1.",
    labels: ["version", "node"],
  },
} as const satisfies Record<string, MetricEntry>;

export type MetricKey = keyof typeof metricTable;
