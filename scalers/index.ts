import type { AnyScaler } from "../src/core/contract.ts";
import { airflow } from "./airflow.ts";
import { bullmq } from "./bullmq.ts";
import { celery } from "./celery.ts";
import { cron } from "./cron.ts";
import { external } from "./external.ts";
import { gcpPubSub } from "./gcpPubSub.ts";
import { http } from "./http.ts";
import { kubernetesWorkload } from "./kubernetesWorkload.ts";
import { mysql } from "./mysql.ts";
import { postgresql } from "./postgresql.ts";
import { prometheus } from "./prometheus.ts";
import { rabbitmq } from "./rabbitmq.ts";
import { redis } from "./redis.ts";

/** Every scaler there is. */
export const scalers: readonly AnyScaler[] = [
  redis,
  bullmq,
  celery,
  rabbitmq,
  cron,
  postgresql,
  mysql,
  airflow,
  kubernetesWorkload,
  prometheus,
  http,
  external,
  gcpPubSub,
];
