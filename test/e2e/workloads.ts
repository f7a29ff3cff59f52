import { workersTag } from "./images.ts";

type Env = Readonly<Record<string, string>>;

const hardened = {
  runAsNonRoot: true,
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ["ALL"] },
  seccompProfile: { type: "RuntimeDefault" },
};

const container = (name: string, command: readonly string[], env: Env) => ({
  name,
  image: workersTag,
  imagePullPolicy: "IfNotPresent",
  command,
  env: Object.entries(env).map(([key, value]) => ({ name: key, value })),
  securityContext: hardened,
  resources: { requests: { cpu: "10m", memory: "32Mi" } },
  volumeMounts: [
    { name: "journal", mountPath: "/journal" },
    { name: "tmp", mountPath: "/tmp" },
  ],
});

const volumes = (journal: string) => [
  { name: "journal", hostPath: { path: journal, type: "DirectoryOrCreate" } },
  { name: "tmp", emptyDir: {} },
];

/** A Redis that keeps nothing, and its Service; with the journal, the folder `journal` of the node, open to all workers. */
export function redis(journal: string): object[] {
  const command = ["redis-server", "--bind", "0.0.0.0", "--protected-mode", "no", "--save", "", "--dir", "/tmp"];
  const probe = { tcpSocket: { port: 6379 }, periodSeconds: 1 };
  return [
    {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "redis", labels: { app: "redis" } },
      spec: {
        initContainers: [{ ...container("open", ["chmod", "1777", "/journal"], {}), securityContext: { runAsUser: 0 } }],
        containers: [{ ...container("redis", command, {}), readinessProbe: probe }],
        volumes: volumes(journal),
        terminationGracePeriodSeconds: 0,
      },
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "redis" },
      spec: { selector: { app: "redis" }, ports: [{ port: 6379 }] },
    },
  ];
}

export type WorkerOptions = Readonly<{ journal: string; replicas?: number; graceSeconds?: number; env?: Env }>;

/** A Deployment of workers whose pods have their own name as their worker's. */
export function workers(
  name: string,
  command: readonly string[],
  { journal, replicas = 0, graceSeconds = 90, env = {} }: WorkerOptions,
): object {
  const settings = { REDIS_URL: "redis://redis:6379/0", ...env };
  const worker = container("worker", command, settings);
  const field = (path: string) => ({ valueFrom: { fieldRef: { fieldPath: path } } });
  const named = [
    { name: "WORKTIDE_WORKER_ID", ...field("metadata.name") },
    { name: "NAMESPACE", ...field("metadata.namespace") },
    { name: "WORKTIDE_TEST_JOURNAL", value: `/journal/$(NAMESPACE)-${name}` },
  ];
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          containers: [{ ...worker, env: [...worker.env, ...named] }],
          volumes: volumes(journal),
          terminationGracePeriodSeconds: graceSeconds,
          // As process 1 it would not hear SIGTERM until it has set its handler, and take jobs for as long as its grace lasts.
          shareProcessNamespace: true,
        },
      },
    },
  };
}

export const bullmqCommand = ["node", "bullmq-worker.mjs"] as const;
/** One process a pod, named after it. */
export const celeryCommand = [
  ...["sh", "-c"],
  "exec python3 -m celery -A tasks worker -n $WORKTIDE_WORKER_ID@%h --concurrency 1 --prefetch-multiplier 1 --loglevel INFO",
] as const;

/** The connection `main` to the Redis of a namespace, named as the controller finds it. */
export const connection = (namespace: string): object => ({
  apiVersion: "worktide.dev/v1alpha1",
  kind: "QueueConnection",
  metadata: { name: "main" },
  spec: { redis: { url: `redis://redis.${namespace}:6379/0` } },
});

/** Sizes the Deployment of its name between 0 and `max`: a pod a job, quick to shrink, read every 5 s where nothing wakes it. */
export const scaledWorker = (name: string, queue: object, max: number): object => ({
  apiVersion: "worktide.dev/v1alpha1",
  kind: "ScaledWorker",
  metadata: { name },
  spec: {
    target: { kind: "Deployment", name },
    replicas: { min: 0, max },
    triggers: [{ name: "jobs", connection: "main", ...queue, goal: { jobsPerReplica: 1 }, every: "5s" }],
    scaleDown: { cooldown: "1s" },
    behavior: { scaleDown: { stabilizationWindowSeconds: 0 } },
  },
});
