import { scalers } from "../../scalers/index.ts";
import { defineApi } from "../../src/api/define.ts";
import { brokers } from "../../src/brokers/brokers.ts";

/** The API as it is published. */
export const api = defineApi(scalers, brokers);

/** An object as JSON, to be changed by a test. */
// biome-ignore lint/suspicious/noExplicitAny: tests reach into every corner of it.
export type Draft = any;

const head = (kind: string, name: string) => ({ apiVersion: "worktide.dev/v1alpha1", kind, metadata: { name } });

export const worker = (name = "mails"): Draft => ({
  ...head("ScaledWorker", name),
  spec: {
    target: { kind: "Deployment", name },
    replicas: { min: 1, max: 5 },
    triggers: [{ name: "mails", connection: "main", bullmq: { queue: "mails" }, goal: { waitingPerReplica: 20 } }],
    fallback: { replicas: 3 },
  },
});

export const jobWorker = (name = "mails"): Draft => {
  const container = { name: "worker", image: "registry.example/worker:1" };
  const pod = { restartPolicy: "Never", containers: [container] };
  const draft = worker(name);
  draft.spec.target = { job: { template: { spec: { ttlSecondsAfterFinished: 60, template: { spec: pod } } } } };
  return draft;
};

export const connection = (name = "main"): Draft => ({
  ...head("QueueConnection", name),
  spec: {
    redis: {
      url: "rediss://redis.shop:6379/0",
      username: "worktide",
      passwordFrom: { secretKeyRef: { name: "redis.shop", key: "password" } },
      tls: { caFrom: { configMapKeyRef: { name: "redis-ca", key: "ca.crt" } } },
    },
  },
});

export const rabbitConnection = (name = "main"): Draft => ({
  ...head("QueueConnection", name),
  spec: {
    rabbitmq: {
      url: "amqps://rabbitmq.shop/shop",
      username: "worktide",
      passwordFrom: { secretKeyRef: { name: "rabbitmq", key: "password" } },
    },
  },
});

export const webConnection = (name = "main"): Draft => ({
  ...head("QueueConnection", name),
  spec: {
    prometheus: {
      url: "https://prometheus.shop/prefix",
      username: "worktide",
      passwordFrom: { secretKeyRef: { name: "prometheus", key: "password" } },
      headers: [{ name: "X-Scope-OrgID", value: "shop" }],
    },
  },
});

export const pubSubConnection = (name = "main"): Draft => ({
  ...head("QueueConnection", name),
  spec: { gcpPubSub: { project: "shop-prod", credentialsFrom: { secretKeyRef: { name: "google", key: "key.json" } } } },
});

export const externalConnection = (name = "main"): Draft => ({
  ...head("QueueConnection", name),
  spec: {
    external: {
      address: "scaler.shop:9090",
      tls: {},
      tokenFrom: { secretKeyRef: { name: "scaler", key: "token" } },
      metadata: [{ name: "apiKey", valueFrom: { secretKeyRef: { name: "scaler", key: "api-key" } } }],
    },
  },
});

export const databaseConnection = (name = "main"): Draft => ({
  ...head("QueueConnection", name),
  spec: {
    postgresql: { url: "postgresql://worktide@db.shop/shop", passwordFrom: { secretKeyRef: { name: "db", key: "password" } } },
  },
});

export const clusterConnection = (name = "shared"): Draft => ({
  ...head("ClusterQueueConnection", name),
  spec: { namespaces: ["shop", "team-*"], secretNamespace: "infra", redis: { url: "redis://redis.infra:6379" } },
});
