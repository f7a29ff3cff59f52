import type { AnyBroker } from "../core/contract.ts";
import { rabbitBroker } from "./rabbitmq.ts";
import { redisBroker } from "./redis.ts";

/** Every protocol that this build speaks. */
export const brokers: readonly AnyBroker[] = [redisBroker, rabbitBroker];
