import type { AnyBroker } from "../core/contract.ts";
import { podsBroker } from "./pods.ts";
import { rabbitBroker } from "./rabbitmq.ts";
import { redisBroker } from "./redis.ts";
import { wallClockBroker } from "./wall-clock.ts";

/** Every protocol that this build speaks, and what needs none. */
export const brokers: readonly AnyBroker[] = [redisBroker, rabbitBroker, wallClockBroker(), podsBroker()];
