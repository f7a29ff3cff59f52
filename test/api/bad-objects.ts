import type { RuleId } from "../../src/api/rules.ts";
import {
  clusterConnection,
  connection,
  type Draft,
  databaseConnection,
  externalConnection,
  jobWorker,
  pubSubConnection,
  rabbitConnection,
  webConnection,
  worker,
} from "./objects.ts";

/** One fault in an object for the API server. */
export type BadObject = Readonly<{
  title: string;
  rule: RuleId;
  object: Draft;
  /** What the API server says of it; absent where only the webhook and `worktide check` see it. */
  refusal?: RegExp;
}>;

type Make = (name?: string) => Draft;

function bad(title: string, rule: RuleId, make: Make, change: (draft: Draft) => unknown, refusal?: RegExp): BadObject {
  const object = make();
  change(object);
  return { title, rule, object, ...(refusal && { refusal }) };
}

const firstTrigger = (change: (trigger: Draft) => unknown) => (draft: Draft) => change(draft.spec.triggers[0]);
const redisOf = (change: (redis: Draft) => unknown) => (draft: Draft) => change(draft.spec.redis);
const intoInline = (trigger: Draft, settings: Draft) => {
  delete trigger.connection;
  trigger.inline = settings;
};
const asRabbit = (trigger: Draft, query: Draft) => {
  delete trigger.bullmq;
  trigger.rabbitmq = query;
};
const asCron = (trigger: Draft, query: Draft) => {
  for (const key of ["bullmq", "connection", "goal"]) delete trigger[key];
  trigger.cron = { timezone: "Europe/Berlin", from: "0 8 * * *", to: "0 18 * * *", replicas: 3, ...query };
};
/** A worker that is sized by pods, too. */
const besidePods = (selector: Draft) => (draft: Draft) =>
  draft.spec.triggers.push({ name: "pods", kubernetesWorkload: { selector, podsPerReplica: 2 } });
/** A worker that a schedule sizes, too. */
const scheduled =
  (query: Draft, more: Draft = {}) =>
  (draft: Draft) => {
    const trigger: Draft = { name: "hours" };
    asCron(trigger, query);
    draft.spec.triggers.push({ ...trigger, ...more });
  };
const asRedis = (trigger: Draft, query: Draft) => {
  delete trigger.bullmq;
  trigger.redis = query;
};

const inWorkers: readonly BadObject[] = [
  bad("an unknown field", "unknown-field", worker, (d) => (d.spec.replicas.mim = 1), /unknown field "spec.replicas.mim"/),
  bad(
    "an unknown scaler",
    "unknown-field",
    worker,
    firstTrigger((t) => (t.bullmx = {})),
    /unknown field "spec.triggers\[0\].bullmx"/,
  ),
  bad("a missing field", "missing-field", worker, (d) => delete d.spec.replicas.max, /spec.replicas.max: Required value/),
  bad("no triggers", "wrong-type", worker, (d) => (d.spec.triggers = {}), /must be of type array/),
  bad("an empty list", "invalid-value", worker, (d) => (d.spec.triggers = []), /should have at least 1 items/),
  bad(
    "a number out of range",
    "invalid-value",
    worker,
    (d) => (d.spec.replicas.max = 1e6),
    /should be less than or equal to 100000/,
  ),
  bad("a fraction", "wrong-type", worker, (d) => (d.spec.replicas.max = 5.5), /must be of type integer/),
  bad("an unknown choice", "invalid-value", worker, (d) => (d.spec.mode = "observe"), /supported values: "Scale", "Observe"/),
  bad(
    "a duration without a unit",
    "invalid-value",
    worker,
    (d) => (d.spec.staleAfter = "60"),
    /spec.staleAfter in body should match/,
  ),
  bad(
    "a duration out of range",
    "invalid-value",
    worker,
    (d) => (d.spec.staleAfter = "48h"),
    /must be a duration from 1s to 24h/,
  ),
  bad("a name that is none", "invalid-value", worker, (d) => (d.metadata.name = "a.b"), /metadata.name in body should match/),
  bad("min above max", "min-above-max", worker, (d) => (d.spec.replicas.min = 6), /`min` must not be above `max`/),
  bad("idle above min", "idle-above-min", worker, (d) => (d.spec.replicas.idle = 2), /`idle` must not be above `min`/),
  bad(
    "fallback above max",
    "fallback-above-max",
    worker,
    (d) => (d.spec.fallback.replicas = 6),
    /`fallback.replicas` must not be above/,
  ),
  bad(
    "no goal",
    "one-goal",
    worker,
    firstTrigger((t) => (t.goal = {})),
    /must have exactly one of `waitingPerReplica`/,
  ),
  bad(
    "nothing that says what a queue asks for",
    "one-goal",
    worker,
    firstTrigger((t) => delete t.goal),
    /must have `goal`, but not with `cron`/,
  ),
  bad(
    "a goal beside a schedule",
    "one-goal",
    worker,
    scheduled({}, { goal: { waitingPerReplica: 5 } }),
    /must have `goal`, but not with `cron`/,
  ),
  bad(
    "a connection beside a schedule",
    "one-connection",
    worker,
    scheduled({}, { connection: "main" }),
    /exactly one of `connection`, `clusterConnection`, `inline`; none with `cron`/,
  ),
  bad(
    "a schedule without a window",
    "one-window",
    worker,
    scheduled({ from: undefined, to: undefined, replicas: undefined }),
    /must have exactly one of `from`, `windows`/,
  ),
  bad(
    "a window that asks for nothing",
    "one-window",
    worker,
    scheduled({ replicas: undefined }),
    /must have `replicas`, `atMost` or both/,
  ),
  bad(
    "a window in a list that asks for nothing",
    "one-window",
    worker,
    scheduled({ from: undefined, to: undefined, replicas: undefined, windows: [{ from: "0 8 * * *", to: "0 9 * * *" }] }),
    /must have `replicas`, `atMost` or both/,
  ),
  bad(
    "a window that ends as it begins",
    "one-window",
    worker,
    scheduled({ to: "0 8 * * *" }),
    /`to` must not be the same as `from`/,
  ),
  bad("a selector of nothing", "label-selector", worker, besidePods({ matchLabels: {} }), /must have a label in `matchLabels`/),
  bad(
    "a condition on a label without the values that it needs",
    "label-selector",
    worker,
    besidePods({ matchExpressions: [{ key: "tier", operator: "In" }] }),
    /must have `values` with `In` and `NotIn` only/,
  ),
  bad("a formula over triggers that are not there", "formula", worker, (d) => (d.spec.formula = "max(mils, 2)")),
  bad("a schedule in a zone that there is none", "time-zone", worker, scheduled({ timezone: "Europe/Berln" })),
  bad("a cron expression that is none", "cron-expression", worker, scheduled({ from: "61 8 * * *" })),
  bad(
    "only a schedule, which sees nobody busy",
    "blind-protect",
    worker,
    firstTrigger((t) => asCron(t, {})),
  ),
  bad(
    "two goals",
    "one-goal",
    worker,
    firstTrigger((t) => (t.goal.jobsPerReplica = 1)),
    /must have exactly one of `waitingPerReplica`/,
  ),
  bad(
    "figures for a goal without a time",
    "assume-without-time",
    worker,
    firstTrigger((t) => (t.goal.assume = { serviceTime: "1s" })),
    /`assume` must stand beside/,
  ),
  bad(
    "no scaler",
    "one-scaler",
    worker,
    firstTrigger((t) => delete t.bullmq),
    /must have exactly one of `redis`, `bullmq`/,
  ),
  bad(
    "two scalers",
    "one-scaler",
    worker,
    firstTrigger((t) => (t.celery = {})),
    /must have exactly one of `redis`, `bullmq`/,
  ),
  bad(
    "two triggers of one name",
    "duplicate-trigger",
    worker,
    (d) => d.spec.triggers.push(d.spec.triggers[0]),
    /Duplicate value/,
  ),
  bad(
    "no connection",
    "missing-connection",
    worker,
    firstTrigger((t) => delete t.connection),
    /exactly one of `connection`/,
  ),
  bad(
    "two connections",
    "one-connection",
    worker,
    firstTrigger((t) => (t.clusterConnection = "a")),
    /exactly one of `connection`/,
  ),
  bad(
    "an address of no broker",
    "connection-type",
    worker,
    firstTrigger((t) => intoInline(t, {})),
    /must have exactly one of `redis`/,
  ),
  bad(
    "a credential in an inline address",
    "inline-credential",
    worker,
    firstTrigger((t) =>
      intoInline(t, { redis: { url: "redis://h", username: "u", passwordFrom: { secretKeyRef: { name: "a", key: "b" } } } }),
    ),
    /`inline` must not refer to a Secret/,
  ),
  bad(
    "a credential in a header of an inline address",
    "inline-credential",
    worker,
    firstTrigger((t) => {
      delete t.bullmq;
      t.http = { waiting: "$.waiting", running: "$.running" };
      const headers = [{ name: "x-key", valueFrom: { secretKeyRef: { name: "a", key: "b" } } }];
      intoInline(t, { http: { url: "http://h", headers } });
    }),
    /`inline` must not refer to a Secret/,
  ),
  bad(
    "a password in an inline address",
    "password-in-url",
    worker,
    firstTrigger((t) => intoInline(t, { redis: { url: "redis://u:p@h" } })),
    /`url` must not carry a password/,
  ),
  bad(
    "a queue of Redis of two kinds",
    "one-redis-kind",
    worker,
    firstTrigger((t) => asRedis(t, { set: { key: "a" }, hash: { key: "b" } })),
    /exactly one of `list`/,
  ),
  bad(
    "two bounds of a sorted set",
    "one-score",
    worker,
    firstTrigger((t) => asRedis(t, { sortedSet: { key: "a", upTo: "now", upToScore: 1 } })),
    /`upToScore` must not stand beside/,
  ),
  bad(
    "a queue of RabbitMQ without a name",
    "one-queue-way",
    worker,
    firstTrigger((t) => asRabbit(t, {})),
    /must have exactly one of `queue`, `pattern`/,
  ),
  bad(
    "a pattern that is none",
    "queue-pattern",
    worker,
    firstTrigger((t) => asRabbit(t, { pattern: "(" })),
  ),
  bad(
    "a list with an item twice",
    "duplicate-item",
    worker,
    firstTrigger((t) => asRedis(t, { list: { key: "a", processing: ["b", "b"] } })),
    /Duplicate value/,
  ),
  bad(
    "busy workers that nobody can see",
    "blind-protect",
    worker,
    firstTrigger((t) => asRedis(t, { set: { key: "a" } })),
  ),
  bad(
    "an annotation that is misspelt",
    "pause-annotation",
    worker,
    (d) => (d.metadata.annotations = { "worktide.dev/paused": "yess" }),
  ),
];

const inTargets: readonly BadObject[] = [
  bad("no target", "one-target", worker, (d) => (d.spec.target = {}), /must have exactly one of `kind` \(with `name`\), `job`/),
  bad("two targets", "one-target", jobWorker, (d) => (d.spec.target.kind = "Deployment"), /must have exactly one of `kind`/),
  bad(
    "a name beside Jobs",
    "one-target",
    jobWorker,
    (d) => (d.spec.target.name = "mails"),
    /`name` and `apiVersion` must stand beside `kind`/,
  ),
  bad("a kind without a name", "target-name", worker, (d) => delete d.spec.target.name, /must have `name` beside `kind`/),
  bad(
    "processes in a cluster",
    "local-only",
    worker,
    (d) => (d.spec.target = { process: { command: ["a"] } }),
    /unknown field "spec.target.process"/,
  ),
  bad(
    "a size to go back to for Jobs",
    "restore-jobs",
    jobWorker,
    (d) => (d.spec.onDelete = "Restore"),
    /`onDelete` must be 'Keep'/,
  ),
  bad(
    "Jobs whose pods restart for ever",
    "invalid-value",
    jobWorker,
    (d) => (d.spec.target.job.template.spec.template.spec.restartPolicy = "Always"),
    /supported values: "Never", "OnFailure"/,
  ),
  bad(
    "Jobs of many pods",
    "invalid-value",
    jobWorker,
    (d) => (d.spec.target.job.template.spec.parallelism = 2),
    /parallelism in body should be less than or equal to 1/,
  ),
];

const inConnections: readonly BadObject[] = [
  bad("no broker", "one-broker", connection, (d) => (d.spec = {}), /must have exactly one of `redis`/),
  bad(
    "two addresses",
    "one-redis-address",
    connection,
    redisOf((r) => (r.cluster = { nodes: ["h:1"] })),
    /must have exactly one of `url`/,
  ),
  bad(
    "a password in the address",
    "password-in-url",
    connection,
    redisOf((r) => (r.url = "rediss://u:p@h")),
    /`url` must not carry a password/,
  ),
  bad(
    "certificates for an address without TLS",
    "tls-url",
    connection,
    redisOf((r) => (r.url = "redis://h")),
    /`url` must begin with rediss/,
  ),
  bad(
    "a user without a password",
    "user-needs-password",
    connection,
    redisOf((r) => delete r.passwordFrom),
    /`username` must come with `passwordFrom`/,
  ),
  bad(
    "a certificate without its key",
    "cert-and-key",
    connection,
    redisOf((r) => (r.tls.certFrom = { secretKeyRef: { name: "a", key: "b" } })),
    /must have both of `certFrom` and `keyFrom`/,
  ),
  bad(
    "a password from nowhere",
    "one-secret-source",
    connection,
    redisOf((r) => (r.passwordFrom = {})),
    /must have `secretKeyRef`/,
  ),
  bad(
    "the environment of the controller",
    "local-only",
    connection,
    redisOf((r) => (r.passwordFrom = { env: "TOKEN" })),
    /unknown field "spec.redis.passwordFrom.env"/,
  ),
  bad(
    "a file of the controller",
    "local-only",
    connection,
    redisOf((r) => (r.tls = { caFile: "/etc/passwd" })),
    /unknown field "spec.redis.tls.caFile"/,
  ),
  bad(
    "an address that cannot be read",
    "redis-url",
    connection,
    redisOf((r) => (r.url = "rediss://h/?x=1")),
  ),
  bad(
    "two addresses of RabbitMQ",
    "one-rabbitmq-address",
    rabbitConnection,
    (d) => (d.spec.rabbitmq.urlFrom = { secretKeyRef: { name: "a", key: "b" } }),
    /must have exactly one of `url`, `urlFrom`/,
  ),
  bad(
    "a user of RabbitMQ without a password",
    "user-and-password",
    rabbitConnection,
    (d) => delete d.spec.rabbitmq.passwordFrom,
    /`username` must come with `passwordFrom`/,
  ),
  bad(
    "an address of RabbitMQ that cannot be read",
    "rabbitmq-url",
    rabbitConnection,
    (d) => (d.spec.rabbitmq.url = "amqps://h/a/b"),
  ),
  bad(
    "a credential for an emulator",
    "emulator-credential",
    pubSubConnection,
    (d) => (d.spec.gcpPubSub.emulator = "pubsub.shop:8085"),
    /`credentialsFrom` must not stand beside `emulator`/,
  ),
  bad(
    "what answers for Cloud Monitoring without an emulator",
    "monitoring-emulator",
    pubSubConnection,
    (d) => (d.spec.gcpPubSub.monitoringEmulator = "pubsub.shop:8086"),
    /`monitoringEmulator` must come with `emulator`/,
  ),
  bad(
    "no address of HTTP",
    "one-web-address",
    webConnection,
    (d) => delete d.spec.prometheus.url,
    /must have exactly one of `url`, `urlFrom`/,
  ),
  bad(
    "an address of HTTP with a password",
    "password-in-url",
    webConnection,
    (d) => (d.spec.prometheus.url = "https://u:p@h"),
    /`url` must not carry a password/,
  ),
  bad("an address of HTTP that cannot be read", "web-url", webConnection, (d) => (d.spec.prometheus.url = "https://h:port")),
  bad(
    "a user and a token",
    "one-login",
    webConnection,
    (d) => (d.spec.prometheus.tokenFrom = { secretKeyRef: { name: "a", key: "b" } }),
    /must have `tokenFrom` or `username`, not both/,
  ),
  bad(
    "a login as a plain header",
    "header-value",
    webConnection,
    (d) => d.spec.prometheus.headers.push({ name: "authorization", value: "Bearer x" }),
    /must not be `Authorization` in plain text/,
  ),
  bad(
    "a header without a value",
    "header-value",
    webConnection,
    (d) => d.spec.prometheus.headers.push({ name: "x-key" }),
    /must have exactly one of `value`, `valueFrom`/,
  ),
  bad(
    "a token without TLS",
    "token-needs-tls",
    externalConnection,
    (d) => delete d.spec.external.tls,
    /`tokenFrom` must come with `tls`/,
  ),
  bad(
    "two addresses of a database",
    "one-database-address",
    databaseConnection,
    (d) => (d.spec.postgresql.urlFrom = { secretKeyRef: { name: "a", key: "b" } }),
    /must have exactly one of `url`, `urlFrom`/,
  ),
  bad(
    "a database without a user",
    "database-user",
    databaseConnection,
    (d) => (d.spec.postgresql.url = "postgresql://db.shop/shop"),
    /must name the user/,
  ),
  bad(
    "an address of a database that cannot be read",
    "database-url",
    databaseConnection,
    (d) => (d.spec.postgresql.url = "postgresql://worktide@db.shop/shop?options=x"),
  ),
  bad("no namespaces", "missing-field", clusterConnection, (d) => delete d.spec.namespaces, /spec.namespaces: Required value/),
  bad(
    "a pattern of namespaces",
    "invalid-value",
    clusterConnection,
    (d) => (d.spec.namespaces = ["*-a"]),
    /namespaces\[0\] in body should match/,
  ),
];

export const badObjects: readonly BadObject[] = [...inWorkers, ...inTargets, ...inConnections];
