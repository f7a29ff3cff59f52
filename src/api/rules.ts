/**
 * Where a rule is held. `schema`: by the API server, from the types, bounds and patterns of the custom resource.
 * `expression`: by the API server, from a CEL expression in it. `webhook`: by the admission webhook, and without it by a
 * condition. `file`: only files can break it.
 */
export type Held = "schema" | "expression" | "webhook" | "file";

type Rule = Readonly<{ held: Held; what: string }>;

/** Every rule that a finding can name; `worktide check` holds all of them. Closed: part of the API. */
export const rules = {
  "yaml-syntax": { held: "file", what: "The file is YAML 1.2." },
  "alias-limit": { held: "file", what: "Aliases do not grow the document beyond measure." },
  "duplicate-key": { held: "file", what: "A key stands once in a map." },
  "empty-file": { held: "file", what: "The file has a document." },
  "file-size": { held: "file", what: "The file has at most 1 MiB." },
  "duplicate-document": { held: "file", what: "A document stands once in the files." },
  "shared-queue": { held: "file", what: "Two pools do not each size themselves by the whole of one queue. A warning." },
  "pinned-replicas": { held: "file", what: "The target's own document does not set its size. A warning." },
  "unknown-kind": { held: "schema", what: "`kind` is one of ours." },
  "unknown-api-version": { held: "schema", what: "`apiVersion` is ours." },
  "unknown-field": { held: "schema", what: "Every field is known." },
  "missing-field": { held: "schema", what: "Every field that must be there is." },
  "wrong-type": { held: "schema", what: "Text, numbers, lists and maps stand where they belong." },
  "invalid-value": { held: "schema", what: "A value is within its range, of its pattern, one of its choices." },
  "duplicate-trigger": { held: "schema", what: "Names of triggers are unique." },
  "duplicate-item": { held: "schema", what: "A list that several owners may add to has no item twice." },
  "local-only": { held: "schema", what: "What works on one machine only is not used in a cluster: processes, variables, files." },
  "cluster-only": { held: "file", what: "What works in a cluster only is not used on one machine." },
  "one-target": { held: "expression", what: "A target is said in exactly one way." },
  "target-name": { held: "expression", what: "A target of some `kind` has a `name`." },
  "restore-jobs": { held: "expression", what: "`onDelete: Restore` is not for Jobs." },
  "min-above-max": { held: "expression", what: "`replicas.min` is not above `replicas.max`." },
  "idle-above-min": { held: "expression", what: "`replicas.idle` is not above `replicas.min`." },
  "fallback-above-max": { held: "expression", what: "`fallback.replicas` is not above `replicas.max`." },
  "one-goal": {
    held: "expression",
    what: "A trigger has exactly one goal; one that asks for replicas itself, such as `cron`, has none.",
  },
  "assume-without-time": { held: "expression", what: "`assume` stands beside `startWithin` or `drainWithin`." },
  "one-scaler": { held: "expression", what: "A trigger has exactly one scaler." },
  "missing-connection": { held: "expression", what: "A trigger has a connection, where its scaler needs one." },
  "one-connection": { held: "expression", what: "A trigger has one connection only." },
  "connection-type": {
    held: "expression",
    what: "A connection leads to the broker that the scaler reads from; by name: the webhook.",
  },
  "inline-credential": { held: "expression", what: "An inline address comes without a credential." },
  "one-redis-kind": { held: "expression", what: "A trigger `redis` has exactly one kind of key." },
  "one-score": { held: "expression", what: "A sorted set has one bound." },
  "one-queue-way": { held: "expression", what: "A trigger `rabbitmq` has a name or a pattern." },
  "one-window": { held: "expression", what: "A trigger `cron` has a window or several, and each asks for something." },
  "label-selector": { held: "expression", what: "A label selector has a condition, and values where its operator takes some." },
  "one-broker": { held: "expression", what: "A connection leads to exactly one broker." },
  "one-redis-address": { held: "expression", what: "A connection to Redis has exactly one address." },
  "one-rabbitmq-address": { held: "expression", what: "A connection to RabbitMQ has exactly one address." },
  "password-in-url": { held: "expression", what: "A password does not stand in an address." },
  "tls-url": { held: "expression", what: "`tls` goes with an address for TLS." },
  "user-needs-password": { held: "expression", what: "A user comes with a password." },
  "user-and-password": { held: "expression", what: "A user and a password come together." },
  "cert-and-key": { held: "expression", what: "A certificate comes with its key." },
  "one-secret-source": { held: "expression", what: "A secret comes from one place." },
  "redis-url": { held: "webhook", what: "An address of Redis can be read." },
  "rabbitmq-url": { held: "webhook", what: "An address of RabbitMQ can be read." },
  formula: { held: "webhook", what: "A formula is CEL, names triggers that there are, and gives a number." },
  "cron-expression": { held: "webhook", what: "A cron expression has five fields, and comes at some time." },
  "time-zone": { held: "webhook", what: "A time zone is in the IANA database." },
  "queue-pattern": { held: "webhook", what: "A pattern of queues is a regular expression." },
  "blind-protect": { held: "webhook", what: "`protect: busy` sees who is busy." },
  "pause-annotation": { held: "webhook", what: "Annotations that pause can be read." },
  "unknown-connection": { held: "webhook", what: "The connection is there. In a cluster a warning: it may come later." },
  "connection-namespace": { held: "webhook", what: "The ClusterQueueConnection lets the namespace use it." },
  "shared-target": { held: "webhook", what: "No two ScaledWorkers scale one target." },
  "target-autoscaled": { held: "webhook", what: "No HorizontalPodAutoscaler scales the target too." },
  "target-missing": { held: "webhook", what: "The target is there. A warning: it may come later." },
  "target-scale": { held: "webhook", what: "The kind of the target has a `/scale` subresource." },
} as const satisfies Readonly<Record<string, Rule>>;

export type RuleId = keyof typeof rules;
