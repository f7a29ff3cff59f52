import type { AnyBroker } from "../core/contract.ts";
import { externalBroker } from "./external.ts";
import { mysqlBroker } from "./mysql.ts";
import { podsBroker } from "./pods.ts";
import { postgresBroker } from "./postgresql.ts";
import { prometheusBroker } from "./prometheus.ts";
import { pubSubBroker } from "./pubsub.ts";
import { rabbitBroker } from "./rabbitmq.ts";
import { redisBroker } from "./redis.ts";
import { wallClockBroker } from "./wall-clock.ts";
import { httpBroker } from "./web-broker.ts";

/** Every protocol that this build speaks, and what needs none. */
export const brokers: readonly AnyBroker[] = [
  redisBroker,
  rabbitBroker,
  pubSubBroker,
  postgresBroker,
  mysqlBroker,
  wallClockBroker(),
  podsBroker(),
  prometheusBroker,
  httpBroker,
  externalBroker,
];
